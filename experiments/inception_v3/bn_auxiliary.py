"""... and batch norm in the auxiliary classifier (arXiv 1512.00567, table 3): 21.2 / 5.6 % error, one crop.

The last row of the ladder, which the paper calls Inception-v3. The network that was released under that name differs
from table 1: `baseline.py`.

    inception-jax train --config=experiments/inception_v3/bn_auxiliary.py --workdir=runs/inception_v3_table1
"""

from experiments.arguments import experiment
from experiments.inception_v3 import factorized_7x7
from experiments.sources import RETHINKING, cite

ROWS = {"": ("R11",)}


@experiment
def get_config():
    """All rows of table 3."""
    config = factorized_7x7.get_config()
    cite(config, RETHINKING("section 4 and table 3"), model={"options": {"bn_auxiliary": True}})
    return config
