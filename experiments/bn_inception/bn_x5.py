"""BN-x5 (arXiv 1502.03167, figure 3): 73.0 % accuracy (27.0 % error); 72.2 % after 2.1e6 steps, 14 times fewer.

Section 4.2.1's list: five times the rate, no dropout, a fifth of the L2, a decay six times faster, no local response
norm, less photometric distortion. Its within-shard shuffling is nothing to turn on here: every epoch is shuffled whole.

    inception-jax train --config=experiments/bn_inception/bn_x5.py --workdir=runs/bn_x5
"""

from experiments.arguments import experiment
from experiments.bn_inception import bn_baseline
from experiments.sources import BATCH_NORM, OURS, SLIM, cite

ROWS = {"": ("B3",)}


@experiment
def get_config():
    """BN-Baseline with the changes that batch norm allows."""
    config = bn_baseline.get_config()
    listed = BATCH_NORM("section 4.2.1")
    cite(config, listed, optimizer={"learning_rate": 0.0075, "weight_decay": 4e-5}, schedule={"decay_epochs": 8 / 6})
    cite(config, listed, model={"dropout": 0.0, "options": {"lrn": False}})
    cite(config, SLIM("inception_preprocessing.py, fast mode, for less distortion"), data={"photometric": "fast"})
    cite(config, OURS("as long as BN-x30's"), steps=6_000_000)
    return config
