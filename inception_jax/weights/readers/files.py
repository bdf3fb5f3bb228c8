"""What the readers share: a file as bytes in place, and arrays that are no larger than the bytes behind them.

A reader believes no number in a file before it has compared it with the bytes that are there. Arrays are views of
the mapped file, so that what a file makes a reader allocate is bounded by the file's own size.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path

import ml_dtypes
import numpy as np

from inception_jax.errors import UserError

FLOATS = {
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
MOST_AXES = 8
MOST_TENSORS = 20_000
LONGEST_NAME = 400


class BadFile(UserError, ValueError):
    """A file that is no whole, harmless file of weights; the message says what is wrong with it."""


def mapped(path: Path) -> memoryview:
    """The bytes of a file, read when they are looked at.

    Raises:
      BadFile: not a file, empty or unreadable.
    """
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:
        raise BadFile("it is empty") from None
    except OSError as error:
        raise BadFile(f"it cannot be read: {error.strerror}") from error


def array(name: str, data: memoryview | bytes, dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """`data` as an array, without a copy.

    Raises:
      BadFile: `shape` is none, or not that of so many bytes.
    """
    check_shape(name, shape)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise BadFile(f"{name} has {len(data)} bytes, which is not {list(shape)} of {dtype.name}")
    return np.frombuffer(data, dtype).reshape(shape)


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Refuses what is no shape of weights: too many axes, or one without a length."""
    if len(shape) > MOST_AXES or any(length < 1 for length in shape):
        raise BadFile(f"{name} is of the shape {list(shape[: MOST_AXES + 1])}, which holds no weights")


def check_names(names: Iterable[str]) -> None:
    """Refuses names that could not be shown in one line, and more than any network has."""
    for number, name in enumerate(names):
        if number == MOST_TENSORS:
            raise BadFile(f"it has more than {MOST_TENSORS} tensors")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise BadFile(f"a tensor is called {name[:40]!r}, which is no name")
