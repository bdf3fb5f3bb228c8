"""Opens TFDS data sets, folders of image files, and scikit-learn's digits."""

from __future__ import annotations

import dataclasses

import numpy as np

from inception_jax.data import folder, splits, tfds
from inception_jax.data.records import DataError, Record, Source

__all__ = ["DataError", "Record", "Source", "open_source"]


def open_source(spec: str, split: str, data_dir: str = "") -> Source:
    """Opens a split of a data set.

    Args:
      spec: `tfds:NAME` (or `tfds:NAME:VERSION`, `tfds:NAME/CONFIG`), `folder:PATH` or `digits`.
      split: the name of a split, or a slice of one such as `train[:95%]` or `train[100:200]`.
      data_dir: where TFDS keeps data sets; empty: TFDS_DATA_DIR, then the TFDS default.

    Raises:
      DataError: the data set or split does not exist, cannot be read, or is empty.
    """
    parsed = splits.parse(split)
    kind, _, name = spec.partition(":")
    if kind == "tfds" and name:
        source = tfds.open_split(name, parsed.name, data_dir)
    elif kind == "folder" and name:
        source = folder.open_split(name, parsed.name)
    elif spec == "digits":
        source = _open_digits(parsed.name)
    else:
        raise DataError(f"source {spec!r} is unknown; it must be 'tfds:NAME', 'folder:PATH' or 'digits'")
    return dataclasses.replace(source, indices=parsed.indices(len(source)))


def _open_digits(split: str) -> Source:
    """The 1797 handwritten digits (8x8, 17 grey levels) that scikit-learn ships; every fifth is for testing."""
    from sklearn.datasets import load_digits  # slow to import, and needed by this source only

    pixels, labels = load_digits(return_X_y=True)
    order = np.arange(len(labels))
    held_out = order % 5 == 4
    subsets = {"train": order[~held_out], "test": order[held_out], "all": order}
    if split not in subsets:
        raise DataError(f"digits has no split {split!r}; it has {', '.join(subsets)}, and slices such as 'train[:95%]'")
    subset = subsets[split]
    grey = np.rint(pixels.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)

    def name(index: int) -> str:
        return f"digits[{subset[index]}]"

    def read(index: int) -> Record:
        which = subset[index]
        return Record(np.repeat(grey[which], 3, axis=2), int(labels[which]), name(index))

    return Source(tuple("0123456789"), range(len(subset)), read, name=name)
