"""Tensors out of files of public weights. The bytes tell the format; the file's name does not matter."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inception_jax.weights.readers.archive import MAGIC as ZIP
from inception_jax.weights.readers.files import BadFile, check_names

__all__ = ["BadFile", "Contents", "read"]

# Each is a module of this package with `read(path)`, imported only when such a file is read.
FORMATS = {
    "pytorch": "PyTorch state dict",
    "safetensors": "safetensors",
    "hdf5": "Keras HDF5",
    "tensor_bundle": "TensorFlow checkpoint",
    "tensor_slices": "TensorFlow checkpoint of the first format",
    "graph_def": "frozen TensorFlow graph",
    "caffe": "caffemodel",
    "onnx": "ONNX",
}

# What people have by mistake in place of weights.
_OTHERS = {
    b"version https://git-lfs": "it is a pointer of Git LFS; fetch the file itself with `git lfs pull`",
    b"<": "it is a web page or XML, not the file that the page offers",
    b"\x1f\x8b": "it is a gzip archive; unpack it and name the file inside",
    b"{": "it is JSON, which has no weights",
}


class Contents(NamedTuple):
    """A file's tensors by the names that it gives them, and its format."""

    format: str
    tensors: Mapping[str, np.ndarray]
    path: Path


def read(path: Path) -> Contents:
    """Reads every tensor of a file of weights.

    Args:
      path: the file; for a TensorFlow checkpoint also its name without `.index`, as TensorFlow itself takes it, or
        one of its data files.

    Returns:
      The format, one of `FORMATS`; float tensors in the layout of the source; and the file that was read first.

    Raises:
      BadFile: unknown, cut off, damaged or hostile. Memory stays within a small multiple of the file's size.
    """
    path = _beside(path)
    try:
        if not path.is_file():
            raise BadFile("there is no such file")
        kind = recognise(path)
        tensors = importlib.import_module(f"{__name__}.{kind}").read(path)
        check_names(tensors)
        if not tensors:
            raise BadFile(f"it is {FORMATS[kind]}, but holds no weights")
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from error
    except OSError as error:
        raise BadFile(f"{path}: it cannot be read: {error.strerror}") from error
    return Contents(kind, tensors, path)


def recognise(path: Path) -> str:
    """The format of a file, one of `FORMATS`, by its bytes.

    Raises:
      BadFile: of none of them.
    """
    from inception_jax.weights.readers import graph_def, hdf5, pytorch, sstable

    with path.open("rb") as file:
        start = file.read(32)
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        end = file.read(8)
    if end == sstable.MAGIC:
        return _checkpoint(path)
    if start.startswith(hdf5.MAGIC):
        return "hdf5"
    if start.startswith(ZIP):
        return "hdf5" if "model.weights.h5" in _names(path) else "pytorch"
    if start.startswith(pytorch.LEGACY_START):
        return "pytorch"
    if start[8:9] == b"{":
        return "safetensors"
    for other, remedy in _OTHERS.items():
        if start.startswith(other):
            raise BadFile(remedy)
    # messages of two types, which begin with what their first field is: a version, or a name or a layer
    if start[:1] == b"\x08":
        return "onnx"
    if start[:1] == b"\x0a" and graph_def.looks_like(path):
        return "graph_def"
    if start[:1] in (b"\x0a", b"\x12", b"\xa2"):
        return "caffe"
    raise BadFile(f"it is of none of the known formats: {', '.join(FORMATS.values())}")


def _checkpoint(path: Path) -> str:
    from inception_jax.weights.readers import files, sstable

    for key, value in sstable.entries(files.mapped(path)):
        # the header of a bundle begins with a number, that of the first format with a message
        return "tensor_slices" if not key and value[:1] == b"\x0a" else "tensor_bundle"
    raise BadFile("its table is empty")


def _names(path: Path) -> list[str]:
    from inception_jax.weights.readers import archive

    return [info.filename for info in archive.directory(path)]


def _beside(path: Path) -> Path:
    """The index of the checkpoint that `path` means."""
    stem = path.name.rpartition(".data-")[0] or path.name
    index = path.with_name(f"{stem}.index") if stem else path
    return index if index.is_file() and (not path.is_file() or stem != path.name) else path
