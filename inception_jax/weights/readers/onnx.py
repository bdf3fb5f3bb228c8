"""ONNX: the initialisers of a graph, as a protocol buffer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inception_jax.weights.readers.files import FLOATS, MOST_AXES, BadFile, array, mapped
from inception_jax.weights.readers.protobuf import Message, signed

# ONNX' number of each type that weights have, and the field of a `TensorProto` for values that are not raw bytes
DTYPES = {1: ("float32", 4), 10: ("float16", 9), 11: ("float64", 10), 16: ("bfloat16", 9)}


def read(path: Path) -> dict[str, np.ndarray]:
    """Every initialiser that holds floating point numbers, by its name.

    Raises:
      BadFile: cut off, or the tensors are in other files.
    """
    graph = Message(Message(mapped(path)).bytes(7))
    found = {}
    for tensor in map(Message, graph.all(5)):
        name, kind = tensor.text(8), tensor.integer(2)
        if 13 in tensor or tensor.integer(14):
            raise BadFile(f"{name[:80]!r} is kept in another file; save the model as one file")
        if kind not in DTYPES:
            continue  # shapes for reshapes and the like
        if name in found:
            raise BadFile(f"{name[:80]!r} is stored twice")
        dtype, field = DTYPES[kind]
        data = tensor.bytes(9) if 9 in tensor else tensor.packed(field)
        found[name] = array(name, data, FLOATS[dtype], signed(tensor.integers(1, MOST_AXES)))
    return found
