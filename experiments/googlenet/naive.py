"""GoogLeNet from modules without reductions (arXiv 1409.4842, figure 2a): what the 1x1 convolutions save.

The paper prints no number for it: every module adds all channels of its input, so that this network costs eight times
as many multiply-adds (`inception-jax describe googlenet --variant=naive`).

    inception-jax train --config=experiments/googlenet/naive.py --workdir=runs/googlenet_naive
"""

from experiments.arguments import experiment
from experiments.googlenet import baseline
from experiments.sources import GOOGLENET, cite

ROWS = {"": ()}


@experiment
def get_config():
    """The baseline with naive modules."""
    config = baseline.get_config()
    cite(config, GOOGLENET("figure 2a"), model={"variant": "naive"})
    return config
