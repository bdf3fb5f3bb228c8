"""TensorFlow's first checkpoints, which slim's are: one table whose values hold the tensors themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inception_jax.weights.readers.checkpoints import DTYPES, shape_of, wanted
from inception_jax.weights.readers.files import BadFile, array, mapped
from inception_jax.weights.readers.protobuf import Message
from inception_jax.weights.readers.sstable import entries

# where a `TensorProto` keeps values of each type, unless it keeps them as bytes (field 4)
VALUES = {1: 5, 2: 6}


def read(path: Path) -> dict[str, np.ndarray]:
    """The variables of a checkpoint by their names.

    Raises:
      BadFile: cut off or altered.
    """
    table = entries(mapped(path))
    _, first = next(table, (b"", memoryview(b"")))
    meta = Message(Message(first).bytes(1))
    described = {tensor.text(1): tensor for tensor in map(Message, meta.all(1))}
    stored: dict[str, memoryview] = {}
    for _, value in table:
        piece = Message(Message(value).bytes(2))
        name = piece.text(1)
        if name in stored or name not in described:
            raise BadFile(f"{name[:80]!r} is stored twice, in slices, or without a description")
        stored[name] = piece.bytes(3)
    if missing := sorted(set(described) - set(stored)):
        raise BadFile(f"it lacks {missing[0][:80]!r}, which it lists")
    kinds = {name: tensor.integer(3) for name, tensor in described.items()}
    found = {}
    for name, source in wanted([name for name, kind in kinds.items() if kind in DTYPES]).items():
        kind, proto = kinds[source], Message(stored[source])
        data = proto.bytes(4) if 4 in proto else proto.packed(VALUES.get(kind, 4))
        found[name] = array(source, data, DTYPES[kind], shape_of(Message(described[source].bytes(2))))
    return found
