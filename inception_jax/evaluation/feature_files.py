"""Features as files: a NumPy archive, or a Parquet table."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inception_jax.data.records import DataError
from inception_jax.new_file import new_file

SUFFIXES = (".npz", ".parquet")


@dataclass(frozen=True)
class FeatureFile:
    """Features of N images with what they are of.

    Attributes:
      features: float32 [N, C], or [N, H, W, C] if they are spatial.
      images: text [N], paths or names.
      labels: int32 [N]; None if the images have no classes.
      class_names: of every label, in order; empty without labels.
      about: which weights, endpoint and preprocessing.
    """

    features: np.ndarray
    images: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    about: Mapping[str, Any]


def save(path: Path, content: FeatureFile) -> None:
    """Writes a new file, in the format of its suffix, whole or not at all.

    The archive's arrays are called as the attributes of `FeatureFile`, `about` being JSON, and `numpy.load` reads
    them without pickles. The table has the columns `image`, `label`, `class` (both empty without labels) and
    `features`, a list of C (or H W C, row by row) numbers; the shape of one and `about` are its metadata.

    Raises:
      OutputFileError: the file is there already, or the file system refuses.
    """
    with new_file(path) as file:
        if path.suffix == ".npz":
            arrays: dict[str, Any] = {
                "features": content.features,
                "images": content.images,
                "class_names": np.array(content.class_names, np.str_),
                "about": np.array(json.dumps(dict(content.about))),
            }
            if content.labels is not None:
                arrays["labels"] = content.labels
            np.savez(file, **arrays)
        else:
            import pyarrow.parquet  # slow to import, and needed by this format only

            pyarrow.parquet.write_table(_table(content), file)


def _table(content: FeatureFile) -> Any:
    import pyarrow as pa

    count, shape = len(content.features), content.features.shape[1:]
    rows = pa.array(content.features.reshape(-1))
    labels = content.labels.tolist() if content.labels is not None else [None] * count
    columns = {
        "image": pa.array(content.images.tolist(), pa.string()),
        "label": pa.array(labels, pa.int32()),
        "class": pa.array([None if label is None else content.class_names[label] for label in labels], pa.string()),
        "features": pa.FixedSizeListArray.from_arrays(rows, int(np.prod(shape))),
    }
    metadata = {"shape": json.dumps(list(shape)), "about": json.dumps(dict(content.about))}
    metadata["class_names"] = json.dumps(content.class_names, ensure_ascii=False)
    return pa.table(columns, metadata={name: text.encode() for name, text in metadata.items()})


def load(path: Path) -> FeatureFile:
    """Reads a file of `save`.

    Raises:
      DataError: there is none, it is damaged, or its arrays do not fit each other.
    """
    try:
        content = _read_archive(path) if path.suffix == ".npz" else _read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:  # pyarrow's are OSError and ValueError
        raise DataError(f"{path} is damaged or no file of features: {str(error)[:200]}") from error
    except KeyError as error:
        raise DataError(f"{path} is no file of features: it has no {error}") from error
    count, labels = len(content.features), content.labels
    fits = content.features.ndim in (2, 4) and content.features.dtype == np.float32 and len(content.images) == count
    if labels is not None:
        fits = fits and labels.shape == (count,) and ((labels >= 0) & (labels < len(content.class_names))).all()
    if not fits:
        raise DataError(f"{path} is damaged: its features, images and labels do not fit each other")
    if not np.isfinite(content.features).all():
        raise DataError(f"{path} holds features that are no finite numbers")
    return content


def _read_archive(path: Path) -> FeatureFile:
    with path.open("rb") as file, np.load(file) as arrays:  # numpy alone leaves a damaged file open
        found = {name: arrays[name] for name in arrays.files}
    return FeatureFile(
        features=found["features"],
        images=found["images"],
        labels=found.get("labels"),
        class_names=tuple(found["class_names"].tolist()),
        about=json.loads(str(found["about"])),
    )


def _read_table(path: Path) -> FeatureFile:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    metadata = {name.decode(): text.decode() for name, text in (table.schema.metadata or {}).items()}
    shape, class_names = json.loads(metadata["shape"]), tuple(json.loads(metadata["class_names"]))
    flat = table.column("features").combine_chunks().flatten().to_numpy()
    labels = table.column("label").to_pylist()
    return FeatureFile(
        features=flat.reshape(-1, *shape),
        images=np.array(table.column("image").to_pylist()),
        labels=np.array(labels, np.int32) if class_names else None,
        class_names=class_names,
        about=json.loads(metadata["about"]),
    )
