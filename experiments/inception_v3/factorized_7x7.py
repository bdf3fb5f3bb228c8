"""... and the 7x7 at the start as three 3x3 (arXiv 1512.00567, table 3): 21.6 / 5.8 % top-1 / top-5 error, one crop.

The fourth row. The network costs a quarter more for it, as the table prints.

    inception-jax train --config=experiments/inception_v3/factorized_7x7.py --workdir=runs/inception_v2_factorized
"""

from experiments.arguments import experiment
from experiments.inception_v3 import label_smoothing
from experiments.sources import RETHINKING, cite

ROWS = {"": ("R10",)}


@experiment
def get_config():
    """RMSProp, label smoothing and the factorised 7x7."""
    config = label_smoothing.get_config()
    cite(config, RETHINKING("section 6 and table 1"), model={"options": {"factorized_7x7": True}})
    return config
