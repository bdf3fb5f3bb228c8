"""The ensemble of Inception-v4 and three Inception-ResNet-v2 (arXiv 1602.07261, table 5): 16.4 / 3.1 % with 144 crops.

Member 1 is Inception-v4, members 2 to 4 are Inception-ResNet-v2. On the test set the paper prints 3.08 %.

    inception-jax train --config=experiments/inception_v4/ensemble.py:member=2 --workdir=runs/v4_ensemble_2
"""

from experiments.arguments import experiment
from experiments.inception_v4 import inception_resnet_v2, inception_v4
from experiments.sources import OURS, cite

ROWS = {f"member={member}": ("V18", "V19") for member in range(1, 5)}


@experiment
def get_config(member: int = 1):
    """The member of that number."""
    if not 1 <= member <= 4:
        raise ValueError(f"member must be 1 to 4, got {member}")
    config = inception_v4.get_config() if member == 1 else inception_resnet_v2.get_config()
    cite(config, OURS("another network of the ensemble"), seed=member)
    return config


def sweep():
    """Every member."""
    for member in range(1, 5):
        yield {"member": member}
