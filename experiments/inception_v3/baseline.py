"""Inception-v3 as released (arXiv 1512.00567, table 3): 21.2 / 5.6 % top-1 / top-5 error, one crop.

The recipe of `bn_auxiliary.py` on the network of the released code. With 12 and 144 crops the paper prints 19.47 / 4.48
and 18.77 / 4.2 %, over 48,238 images. Batch statistics decay by 0.9997 an update, slim's value.

Not yet run here at full size.

    inception-jax train --config=experiments/inception_v3/baseline.py --workdir=runs/inception_v3
"""

from experiments.arguments import experiment
from experiments.inception_v3 import bn_auxiliary
from experiments.sources import SLIM, cite

ROWS = {"": ("R11", "R21", "R22")}


@experiment
def get_config():
    """Inception-v3."""
    config = bn_auxiliary.get_config()
    config.model.options = {}
    cite(config, SLIM("inception_v3.py"), model={"name": "inception_v3", "variant": "slim"})
    return config
