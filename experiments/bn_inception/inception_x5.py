"""Inception without batch norm at BN-x5's rate: the paper's diverged to infinity (arXiv 1502.03167, section 4.2.2).

A run that diverges stops with exit code 1 and names the step.

    inception-jax train --config=experiments/bn_inception/inception_x5.py --workdir=runs/inception_x5
"""

from experiments.arguments import experiment
from experiments.bn_inception import inception
from experiments.sources import BATCH_NORM, cite

ROWS = {"": ()}


@experiment
def get_config():
    """Inception at five times its rate."""
    config = inception.get_config()
    cite(config, BATCH_NORM("section 4.2.2"), optimizer={"learning_rate": 0.0075})
    return config
