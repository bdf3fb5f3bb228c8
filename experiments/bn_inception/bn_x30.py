"""BN-x30 (arXiv 1502.03167, figures 3 and 4): 74.8 % accuracy (25.2 % error, top-5 7.82 %), one crop, at 6e6 steps.

Thirty times Inception's rate; it passes 72.2 % after 2.7e6 steps. With 144 crops the paper prints 21.99 and 5.82 %.

    inception-jax train --config=experiments/bn_inception/bn_x30.py --workdir=runs/bn_x30
"""

from experiments.arguments import experiment
from experiments.bn_inception import bn_x5
from experiments.sources import BATCH_NORM, cite

ROWS = {"": ("B4", "B11", "B12")}


@experiment
def get_config():
    """BN-x5 at six times its rate."""
    config = bn_x5.get_config()
    cite(config, BATCH_NORM("section 4.2.2"), steps=6_000_000, optimizer={"learning_rate": 0.045})
    return config
