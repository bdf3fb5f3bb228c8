"""BN-x5-Sigmoid (arXiv 1502.03167, figure 3): 69.8 % accuracy (30.2 % error), and never 72.2 %.

The paper's point is that it trains at all: without batch norm, sigmoids stay at chance (`inception_sigmoid.py`).

    inception-jax train --config=experiments/bn_inception/bn_x5_sigmoid.py --workdir=runs/bn_x5_sigmoid
"""

from experiments.arguments import experiment
from experiments.bn_inception import bn_x5
from experiments.sources import BATCH_NORM, cite

ROWS = {"": ("B5",)}


@experiment
def get_config():
    """BN-x5 with sigmoids."""
    config = bn_x5.get_config()
    cite(config, BATCH_NORM("section 4.2.2"), model={"options": {"activation": "sigmoid"}})
    return config
