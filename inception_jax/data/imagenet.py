"""The 1000 classes of ImageNet as the Large Scale Visual Recognition Challenge numbers them."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import NamedTuple


class ImageNetClass(NamedTuple):
    """One class: its WordNet identifier, as folders of the data set are called, and its name."""

    wnid: str
    name: str


@cache
def classes() -> tuple[ImageNetClass, ...]:
    """Every class, in the order of the labels from 0 on, which is that of the identifiers."""
    table = resources.files("inception_jax.data").joinpath("imagenet_classes.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return tuple(ImageNetClass(row["wnid"], row["name"]) for row in rows)
