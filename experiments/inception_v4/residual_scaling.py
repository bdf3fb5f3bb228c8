"""Inception-ResNet-v2 with all residuals scaled by one number (arXiv 1602.07261, section 3.3).

The paper scales by 0.1 to 0.3: wide residual networks without scaling "died" early, their last layer all zeros. It
prints no numbers, and says that scaling never hurt accuracy. `:scale=1.0`, `0.3`, `0.2` and `0.1`.

    inception-jax train --config=experiments/inception_v4/residual_scaling.py:scale=0.1 --workdir=runs/scaling_0.1
"""

from experiments.arguments import experiment
from experiments.inception_v4 import inception_resnet_v2
from experiments.sources import INCEPTION_V4, cite

ROWS: dict[str, tuple[str, ...]] = {f"scale={scale}": () for scale in (1.0, 0.3, 0.2, 0.1)}


@experiment
def get_config(scale: float = 0.1):
    """Residuals scaled by that number."""
    config = inception_resnet_v2.get_config()
    same = {"scale_35": scale, "scale_17": scale, "scale_8": scale}
    cite(config, INCEPTION_V4("section 3.3"), model={"options": same})
    return config


def sweep():
    """No scaling, and the paper's range."""
    for scale in (1.0, 0.3, 0.2, 0.1):
        yield {"scale": scale}
