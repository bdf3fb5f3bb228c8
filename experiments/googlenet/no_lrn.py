"""GoogLeNet without local response normalisation, which its schematic has behind the first pool and before the second.

The paper prints no number for it.

    inception-jax train --config=experiments/googlenet/no_lrn.py --workdir=runs/googlenet_no_lrn
"""

from experiments.arguments import experiment
from experiments.googlenet import baseline
from experiments.sources import OURS, cite

ROWS = {"": ()}


@experiment
def get_config():
    """The baseline without local response normalisation."""
    config = baseline.get_config()
    cite(config, OURS("the ablation"), model={"options": {"lrn": False}})
    return config
