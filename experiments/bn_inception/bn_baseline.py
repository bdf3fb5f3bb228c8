"""BN-Baseline (arXiv 1502.03167, figure 3): 72.7 % accuracy (27.3 % error); 72.2 % after 13.3e6 steps.

Inception with batch norm before every nonlinearity, and nothing else: dropout, L2, local response norm and schedule
stay.

    inception-jax train --config=experiments/bn_inception/bn_baseline.py --workdir=runs/bn_baseline
"""

from experiments.arguments import experiment
from experiments.bn_inception import inception
from experiments.sources import BATCH_NORM, OURS, cite

ROWS = {"": ("B2",)}


@experiment
def get_config():
    """Inception with batch norm."""
    config = inception.get_config()
    cite(config, BATCH_NORM("section 4.2.2"), model={"options": {"batch_norm": True}})
    cite(config, BATCH_NORM("section 4.2: one worker's batch"), model={"bn_group_size": 32})
    cite(config, OURS("as long as Inception's, to compare"), steps=31_000_000)
    return config
