"""The seven networks of GoogLeNet's ensemble (arXiv 1409.4842, table 3): 8.09 % top-5 error with one crop each.

They started from the same weights, by an oversight, and had the same rates; they differ in how images were sampled and
in their order, and one was wider. Some were trained mainly on smaller crops, others on larger ones. Which, and how
wide, the paper does not say: the areas and the width are our choice. With 10 and 144 crops it prints 7.62 and 6.67 %.

    inception-jax train --config=experiments/googlenet/ensemble.py:member=3 --workdir=runs/googlenet_3
"""

from experiments.arguments import experiment
from experiments.googlenet import baseline
from experiments.sources import GOOGLENET, OURS, cite

ROWS = {f"member={member}": ("G4", "G5", "G6") for member in range(1, 8)}
AREAS = {3: (0.08, 0.6), 4: (0.08, 0.6), 5: (0.3, 1.0), 6: (0.3, 1.0)}


@experiment
def get_config(member: int = 1):
    """The member of that number; the seventh is the wide one."""
    if not 1 <= member <= 7:
        raise ValueError(f"member must be 1 to 7, got {member}")
    config = baseline.get_config()
    cite(
        config, GOOGLENET("section 7: other samples in another order, the same initial weights"), data={"seed": member}
    )
    if member in AREAS:
        cite(config, OURS("smaller or larger crops, as section 6 says without numbers"), data={"area": AREAS[member]})
    if member == 7:
        cite(config, OURS("section 7 has one wider network, without a number"), model={"width": 1.25})
    return config


def sweep():
    """Every member."""
    for member in range(1, 8):
        yield {"member": member}
