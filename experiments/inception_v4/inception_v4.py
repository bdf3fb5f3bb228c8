"""Inception-v4 (arXiv 1602.07261, table 2): 20.0 / 5.0 % top-1 / top-5 error, one crop.

The released network with its auxiliary classifier, which the paper's figures do not show. With 12 and 144 crops the
paper prints 18.7 / 4.2 and 17.7 / 3.8 %.

    inception-jax train --config=experiments/inception_v4/inception_v4.py --workdir=runs/inception_v4
"""

from experiments.arguments import experiment
from experiments.inception_v4 import inception_v3
from experiments.sources import INCEPTION_V4, SLIM, cite

ROWS = {"": ("V4", "V9", "V14")}


@experiment
def get_config():
    """Inception-v4."""
    config = inception_v3.get_config()
    cite(config, INCEPTION_V4("figure 9"), model={"name": "inception_v4", "dropout": 0.2})
    cite(config, SLIM("inception_v4.py"), model={"variant": "slim"}, loss={"aux_weight": 0.4})
    return config
