"""Caffe's `.caffemodel`: a network's layers with their blobs, as a protocol buffer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inception_jax.weights.readers.files import FLOATS, MOST_AXES, BadFile, array, mapped
from inception_jax.weights.readers.protobuf import Message, signed

# field of the layers in a `NetParameter`, and of a layer's name and blobs: now, and before 2014
LAYERS = {100: (1, 7), 2: (4, 6)}


def read(path: Path) -> dict[str, np.ndarray]:
    """Blobs by their layer's name and number: `conv1/7x7_s2/0` is the kernel and `conv1/7x7_s2/1` the bias.

    Raises:
      BadFile: cut off, or no network of Caffe's.
    """
    network = Message(mapped(path))
    found = {}
    for number, (name, blobs) in LAYERS.items():
        for layer in map(Message, network.all(number)):
            for place, blob in enumerate(layer.all(blobs)):
                key = f"{layer.text(name)}/{place}"
                if key in found:
                    raise BadFile(f"{key} is stored twice")
                found[key] = _blob(key, Message(blob))
    return found


def _blob(name: str, blob: Message) -> np.ndarray:
    if 7 in blob:
        shape = signed(Message(blob.bytes(7)).integers(1, MOST_AXES))
    else:  # the four axes of old blobs; a vector has ones before its length
        shape = [blob.integer(axis) for axis in (1, 2, 3, 4)]
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
    kind = "float64" if 8 in blob else "float32"
    return array(name, blob.packed(8 if 8 in blob else 5), FLOATS[kind], shape)
