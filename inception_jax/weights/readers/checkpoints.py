"""What both of TensorFlow's checkpoint formats share: types, shapes, and which variables are wanted."""

from __future__ import annotations

from collections.abc import Collection

from inception_jax.weights.readers.files import FLOATS
from inception_jax.weights.readers.protobuf import Message, signed

DTYPES = {1: FLOATS["float32"], 2: FLOATS["float64"], 14: FLOATS["bfloat16"], 19: FLOATS["float16"]}
"""TensorFlow's numbers of the types that weights have."""

AVERAGE = "/ExponentialMovingAverage"


def shape_of(shape: Message) -> list[int]:
    """The lengths in a `TensorShapeProto`."""
    return [signed([Message(axis).integer(1)])[0] for axis in shape.all(2)]


def wanted(names: Collection[str]) -> dict[str, str]:
    """Variables of the network -> which tensor of a checkpoint holds each.

    The running average of a variable stands for it where there is one: papers and public code evaluate that. What an
    optimizer keeps is named after its variable, and left out.
    """
    known = set(names)
    found = {name: name for name in names if name.rpartition("/")[0] not in known and not name.endswith(AVERAGE)}
    return found | {name.removesuffix(AVERAGE): name for name in names if name.endswith(AVERAGE)}
