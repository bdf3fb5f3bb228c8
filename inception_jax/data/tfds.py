"""Image-classification data sets that TFDS has prepared as ArrayRecord, read without TensorFlow."""

from __future__ import annotations

import os
from typing import Any

from google.protobuf import message

from inception_jax.data.decode import DecodeError
from inception_jax.data.records import DataError, Record, Source


def open_split(name: str, split: str, data_dir: str) -> Source:
    """Opens a prepared data set with the features `image` and `label`, or those of `imagenet2012_real`.

    The latter has `real_label`, any number of valid classes, and `original_label`. A `file_name` joins the name of a
    record.

    Args:
      name: as TFDS writes it: `NAME`, `NAME:VERSION`, `NAME/CONFIG` or `NAME/CONFIG:VERSION`.
      split: an unsliced split.
      data_dir: where data sets lie; empty: the variable TFDS_DATA_DIR, then the TFDS default.

    Raises:
      DataError: the data set is not there (saying how to prepare it), has another file format or other
        features, or has no such split.
    """
    import tensorflow_datasets as tfds  # half a second of import, for this source only
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    folder = directory(data_dir)
    command = (
        f"inception-jax prepare {name} --manual-dir=FOLDER --data-dir={folder}"
        if name.startswith("imagenet")
        else f"tfds build {name} --file_format=array_record --data_dir={folder}"
    )
    remedy = f"prepare it with `pip install 'inception-jax[prepare]'` and `{command}`"
    try:
        # From its files alone: the code of a registered data set may import TensorFlow.
        builder: Any = builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError as error:
        raise DataError(f"tfds:{name} is not in {folder}; {remedy}") from error
    except ValueError as error:
        raise DataError(f"tfds:{name}: the name must read NAME, NAME:VERSION or NAME/CONFIG") from error

    features, known = dict(builder.info.features.items()), builder.info.splits
    image, several = features.get("image"), features.get("real_label")
    label_name = "label" if several is None else "original_label"
    classes = features.get(label_name)
    if not isinstance(image, tfds.features.Image) or not isinstance(classes, tfds.features.ClassLabel):
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
            f"tfds:{name} in {folder} is prepared as {file_format.value if file_format else 'an unknown format'}, "
            f"which has no random access; {remedy} in a directory of its own"
        ) from error

    def where_is(index: int) -> str:
        return f"tfds:{name} {split}[{index}]"

    def read(index: int) -> Record:
        where = where_is(index)
        try:
            record = records[index]
            label = int(record[label_name])  # of a truncated file every feature is None
        except (RuntimeError, TypeError, ValueError, message.DecodeError) as error:
            raise DecodeError(f"{where}: damaged record in {builder.data_path}: {error}") from error
        if "file_name" in features:
            where += f"/{record['file_name'].decode()}"
        valid = None if several is None else tuple(map(int, record["real_label"]))
        return Record(record["image"], label, where, valid)

    return Source(tuple(classes.names), range(len(records)), read, several=several is not None, name=where_is)


def directory(data_dir: str) -> str:
    """Where data sets lie: `data_dir`, or the variable TFDS_DATA_DIR, or the TFDS default."""
    from tensorflow_datasets.core import constants

    return os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR", "") or constants.DATA_DIR)
