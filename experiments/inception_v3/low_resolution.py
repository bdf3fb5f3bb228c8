"""Inception-v3 on small images at equal cost (arXiv 1512.00567, table 2), one crop.

`side=79`, no stride in the first layer and no first pool: 75.2 % accuracy (24.8 % error); `side=151`, no stride: 76.4 %
(23.6 %); `side=299`: 76.6 % (23.4 %).

    inception-jax train --config=experiments/inception_v3/low_resolution.py:side=79 --workdir=runs/low_resolution_79
"""

from experiments.arguments import experiment
from experiments.inception_v3 import baseline
from experiments.sources import RETHINKING, cite

ROWS = {"side=79": ("R1",), "side=151": ("R2",), "side=299": ("R3",)}
VARIANTS = {79: "low_resolution_79", 151: "low_resolution_151", 299: "slim"}


@experiment
def get_config(side: int = 79):
    """Images of that many pixels."""
    if side not in VARIANTS:
        raise ValueError(f"side must be 79, 151 or 299, got {side}")
    config = baseline.get_config()
    cite(config, RETHINKING("table 2"), model={"variant": VARIANTS[side]}, data={"image_size": side})
    return config


def sweep():
    """The rows of table 2."""
    for side in VARIANTS:
        yield {"side": side}
