"""Sizes of public data sets, for what needs to know how long an experiment is where its images are not."""

from __future__ import annotations

from typing import NamedTuple

from inception_jax.data import splits
from inception_jax.data.records import DataError
from inception_jax.data.sources import open_source


class Size(NamedTuple):
    """Of a split, or a slice of one."""

    images: int
    classes: int


# Russakovsky et al. 2015, table 2; Krizhevsky 2009; Xiao et al. 2017.
_KNOWN = {
    "imagenet2012": ({"train": 1_281_167, "validation": 50_000}, 1000),
    "cifar10": ({"train": 50_000, "test": 10_000}, 10),
    "fashion_mnist": ({"train": 60_000, "test": 10_000}, 10),
}


def size_of(spec: str, split: str, data_dir: str = "") -> Size:
    """Size of a split of `spec` (see `open_source`), which need not be on this machine if its size is published.

    Raises:
      DataError: what `open_source` raises, where the size is not known either.
    """
    try:
        source = open_source(spec, split, data_dir)
    except DataError:
        lengths, classes = _KNOWN.get(spec.removeprefix("tfds:").partition(":")[0], ({}, 0))
        parsed = splits.parse(split)
        if not spec.startswith("tfds:") or parsed.name not in lengths:
            raise
        return Size(len(parsed.indices(lengths[parsed.name])), classes)
    return Size(len(source), len(source.class_names))
