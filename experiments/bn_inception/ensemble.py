"""The six networks of the BN-Inception ensemble (arXiv 1502.03167, figure 4): 20.1 / 4.9 % error with 144 crops.

Each is BN-x30 with some of: larger initial weights, dropout of 5 or 10 %, batch norm by activation in the last hidden
layers. Which has what, how much larger, and which layers, the paper does not say: the table below is our choice, with
modules 5a and 5b as the last layers. On the test set the paper prints 4.82 %.

    inception-jax train --config=experiments/bn_inception/ensemble.py:member=3 --workdir=runs/bn_inception_3
"""

from experiments.arguments import experiment
from experiments.bn_inception import bn_x30
from experiments.sources import BATCH_NORM, OURS, cite

ROWS = {f"member={member}": ("B13", "B14") for member in range(1, 7)}
DROPOUT = (0.05, 0.1, 0.0, 0.05, 0.1, 0.0)
INIT_SCALE = (1.0, 1.0, 1.5, 1.5, 1.5, 2.0)
ACTIVATION_NORM = (False, True, False, True, False, True)


@experiment
def get_config(member: int = 1):
    """The member of that number."""
    if not 1 <= member <= 6:
        raise ValueError(f"member must be 1 to 6, got {member}")
    config = bn_x30.get_config()
    cite(config, OURS("another network of the ensemble"), seed=member)
    cite(config, BATCH_NORM("section 4.2.3: 5 or 10 %"), model={"dropout": DROPOUT[member - 1]})
    if (larger := INIT_SCALE[member - 1]) != 1:
        cite(config, OURS("section 4.2.3 says larger, without a number"), model={"options": {"init_scale": larger}})
    if ACTIVATION_NORM[member - 1]:
        cite(config, BATCH_NORM("section 4.2.3: by activation"), model={"options": {"activation_norm": True}})
    return config


def sweep():
    """Every member."""
    for member in range(1, 7):
        yield {"member": member}
