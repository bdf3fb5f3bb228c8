"""What the five papers print for one network and for several, by the number of crops: errors in per cent.

Targets, not assertions: papers differ in the images that they count, and none prints all that it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Printed(NamedTuple):
    """One line of a table; None where it has no number."""

    top1: float | None
    top5: float
    where: str


_TABLES = {
    "GoogLeNet, table 3": {
        ("1 googlenet", 1): (None, 10.07),
        ("1 googlenet", 10): (None, 9.15),
        ("1 googlenet", 144): (None, 7.89),
        ("7 googlenet", 1): (None, 8.09),
        ("7 googlenet", 10): (None, 7.62),
        ("7 googlenet", 144): (None, 6.67),
    },
    "Batch Normalization, figure 4": {
        ("1 bn_inception", 1): (25.2, 7.82),
        ("1 bn_inception", 144): (21.99, 5.82),
        ("6 bn_inception", 144): (20.1, 4.9),
    },
    "Inception-v4, table 2, of 48,238 images": {
        ("1 inception_v3", 1): (21.2, 5.6),
        ("1 inception_resnet_v1", 1): (21.3, 5.5),
        ("1 inception_v4", 1): (20.0, 5.0),
        ("1 inception_resnet_v2", 1): (19.9, 4.9),
    },
    "Inception-v4, table 3": {
        ("1 inception_v3", 12): (19.8, 4.6),
        ("1 inception_resnet_v1", 12): (19.8, 4.6),
        ("1 inception_v4", 12): (18.7, 4.2),
        ("1 inception_resnet_v2", 12): (18.7, 4.1),
    },
    "Inception-v4, table 4": {
        ("1 inception_v3", 144): (18.9, 4.3),
        ("1 inception_resnet_v1", 144): (18.8, 4.3),
        ("1 inception_v4", 144): (17.7, 3.8),
        ("1 inception_resnet_v2", 144): (17.8, 3.7),
    },
    "Inception-v4, table 5": {
        ("4 inception_v3", 144): (17.3, 3.6),
        ("3 inception_resnet_v2, 1 inception_v4", 144): (16.4, 3.1),
    },
}


def printed(networks: Sequence[str], crops: int) -> Printed | None:
    """The paper's line for these networks, in any order, and so many crops of an image; None if there is none."""
    counts = sorted((name, networks.count(name)) for name in set(networks))
    wanted = ", ".join(f"{count} {name}" for name, count in counts), crops
    for where, lines in _TABLES.items():
        if wanted in lines:
            top1, top5 = lines[wanted]
            return Printed(top1, top5, where)
    return None
