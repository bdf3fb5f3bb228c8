"""GoogLeNet without its two auxiliary classifiers: what they are worth (arXiv 1409.4842, section 5).

The paper prints no number for it.

    inception-jax train --config=experiments/googlenet/no_auxiliary.py --workdir=runs/googlenet_no_auxiliary
"""

from experiments.arguments import experiment
from experiments.googlenet import baseline
from experiments.sources import OURS, cite

ROWS = {"": ()}


@experiment
def get_config():
    """The baseline without auxiliary classifiers."""
    config = baseline.get_config()
    cite(config, OURS("the ablation"), model={"aux": False})
    return config
