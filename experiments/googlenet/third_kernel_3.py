"""GoogLeNet with 3x3 where table 1 has 5x5, as slim and torchvision have it: does the larger window matter?

No paper prints a number for it.

    inception-jax train --config=experiments/googlenet/third_kernel_3.py --workdir=runs/third_kernel_3
"""

from experiments.arguments import experiment
from experiments.googlenet import baseline
from experiments.sources import OURS, cite


@experiment
def get_config():
    """The baseline with another kernel."""
    config = baseline.get_config()
    cite(config, OURS("the ablation"), model={"options": {"third_kernel": 3}})
    return config
