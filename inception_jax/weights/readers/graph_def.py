"""TensorFlow's frozen graphs (`.pb`): a `GraphDef` whose variables have become constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inception_jax.weights.readers.checkpoints import DTYPES, shape_of
from inception_jax.weights.readers.files import BadFile, array, mapped
from inception_jax.weights.readers.protobuf import Message

READ = "/read"
# the fields of a `TensorProto` for values that are not raw bytes
VALUES = {1: 5, 2: 6}


def looks_like(path: Path) -> bool:
    """Whether the first field of a file is a node with a name and a kind, not the name of a network of Caffe's."""
    graph = mapped(path)
    try:
        nodes = Message(graph).all(1)
        first = Message(nodes[0])
        return bool(first.text(1)) and bool(first.text(2))
    except (BadFile, IndexError):
        return False


def read(path: Path) -> dict[str, np.ndarray]:
    """Every floating point constant that was a variable, by the variable's name.

    Those are the constants that a node `NAME/read` reads: freezing a graph leaves these nodes where they were.

    Raises:
      BadFile: cut off, or no graph.
    """
    nodes: dict[str, memoryview] = {}
    for node in Message(mapped(path)).all(1):
        name = Message(node).text(1)
        if name in nodes:
            raise BadFile(f"{name[:80]!r} is stored twice")
        nodes[name] = node
    found = {}
    for name in (name for name in nodes if name + READ in nodes):
        node = Message(nodes[name])
        if node.text(2) != "Const":
            continue
        for entry in map(Message, node.all(5)):
            if entry.text(1) != "value":
                continue
            tensor = Message(Message(entry.bytes(2)).bytes(8))
            kind = tensor.integer(1)
            if kind in DTYPES:
                data = tensor.bytes(4) if 4 in tensor or kind not in VALUES else tensor.packed(VALUES[kind])
                found[name] = array(name, data, DTYPES[kind], shape_of(Message(tensor.bytes(2))))
    return found
