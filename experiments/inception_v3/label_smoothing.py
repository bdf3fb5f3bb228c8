"""... and label smoothing (arXiv 1512.00567, table 3 and section 7): 22.8 / 6.1 % top-1 / top-5 error, one crop.

The third row: targets keep 0.9 of the label, and spread 0.1 over all classes, in both losses.

    inception-jax train --config=experiments/inception_v3/label_smoothing.py --workdir=runs/inception_v2_smoothing
"""

from experiments.arguments import experiment
from experiments.inception_v3 import rmsprop
from experiments.sources import RETHINKING, cite

ROWS = {"": ("R9",)}


@experiment
def get_config():
    """RMSProp and label smoothing."""
    config = rmsprop.get_config()
    cite(config, RETHINKING("section 7"), loss={"label_smoothing": 0.1})
    return config
