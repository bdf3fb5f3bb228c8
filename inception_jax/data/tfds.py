"""Image-classification data sets that TFDS has prepared as ArrayRecord, read without TensorFlow."""

from __future__ import annotations

import os
from typing import Any

from inception_jax.data.records import DataError, Record, Source


def open_split(name: str, split: str, data_dir: str) -> Source:
    """Opens a prepared data set with the features `image` and `label`.

    Args:
      name: as TFDS writes it: `NAME`, `NAME:VERSION`, `NAME/CONFIG` or `NAME/CONFIG:VERSION`.
      split: an unsliced split.
      data_dir: where data sets lie; empty: the variable TFDS_DATA_DIR, then the TFDS default.

    Raises:
      DataError: the data set is not there (saying how to prepare it), has another file format or other
        features, or has no such split.
    """
    import tensorflow_datasets as tfds  # half a second of import, for this source only
    from tensorflow_datasets.core import constants
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    directory = os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR", "") or constants.DATA_DIR)
    remedy = (
        "prepare it with `pip install tensorflow-datasets tensorflow` and "
        f"`tfds build {name} --file_format=array_record --data_dir={directory}`"
    )
    try:
        # From its files alone: the code of a registered data set may import TensorFlow.
        builder: Any = builder_from_files(name, data_dir=directory)
    except tfds.core.DatasetNotFoundError as error:
        raise DataError(f"tfds:{name} is not in {directory}; {remedy}") from error
    except ValueError as error:
        raise DataError(f"tfds:{name}: the name must read NAME, NAME:VERSION or NAME/CONFIG") from error

    features, known = dict(builder.info.features.items()), builder.info.splits
    image, label = features.get("image"), features.get("label")
    if not isinstance(image, tfds.features.Image) or not isinstance(label, tfds.features.ClassLabel):
        raise DataError(
            f"tfds:{name} must have the features `image` (Image) and `label` (ClassLabel); "
            f"it has {', '.join(sorted(features))}"
        )
    if split not in known:
        raise DataError(
            f"tfds:{name} has no split {split!r}; it has {', '.join(known)}, and slices such as 'train[:95%]'"
        )
    try:
        records = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
    except NotImplementedError as error:
        file_format = builder.info.file_format
        raise DataError(
            f"tfds:{name} in {directory} is prepared as {file_format.value if file_format else 'an unknown format'}, "
            f"which has no random access; {remedy} in a directory of its own"
        ) from error

    def read(index: int) -> Record:
        record = records[index]
        return Record(record["image"], int(record["label"]), f"tfds:{name} {split}[{index}]")

    return Source(tuple(label.names), range(len(records)), read)
