"""Inception with sigmoids and without batch norm (arXiv 1502.03167, section 4.2.2): chance, 99.9 % error.

The paper reports no more than that it never rose above one in a thousand.

    inception-jax train --config=experiments/bn_inception/inception_sigmoid.py --workdir=runs/inception_sigmoid
"""

from experiments.arguments import experiment
from experiments.bn_inception import inception
from experiments.sources import BATCH_NORM, cite

ROWS = {"": ("B6",)}


@experiment
def get_config():
    """Inception with sigmoids."""
    config = inception.get_config()
    cite(config, BATCH_NORM("section 4.2.2"), model={"options": {"activation": "sigmoid"}})
    return config
