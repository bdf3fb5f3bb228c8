"""PyTorch's files of a state dict, in the zip format of version 1.6 on and the one before it. No torch is needed.

https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inception_jax.weights.readers import archive, pickles
from inception_jax.weights.readers.files import FLOATS, BadFile, check_shape, mapped
from inception_jax.weights.readers.pickles import Name
from inception_jax.weights.readers.protobuf import take

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\n" + LEGACY_MAGIC.to_bytes(10, "little")

STORAGES = {
    "torch.FloatStorage": FLOATS["float32"],
    "torch.DoubleStorage": FLOATS["float64"],
    "torch.HalfStorage": FLOATS["float16"],
    "torch.BFloat16Storage": FLOATS["bfloat16"],
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class Storage:
    """Numbers that tensors are views of."""

    dtype: np.dtype
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, before that has been read; lengths in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict by their names, of a file that is one or has one as `state_dict`.

    Raises:
      BadFile: cut off or damaged, or not a state dict, or one whose pickle would import or call anything else.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == archive.MAGIC
    root, bytes_of = _zipped(archive.members(path)) if zipped else _legacy(mapped(path))
    if isinstance(root, dict) and isinstance(root.get("state_dict"), dict):
        root = root["state_dict"]
    if not isinstance(root, dict) or not root:
        raise BadFile("it holds no state dict")
    tensors = {}
    for name, tensor in root.items():
        if not isinstance(tensor, Tensor) or not isinstance(name, str):
            raise BadFile(f"it holds no state dict: {str(name)[:80]!r} is no tensor")
        tensors[name] = _view(name, tensor, bytes_of)
    return tensors


def _zipped(members: Mapping[str, memoryview]) -> tuple[Any, Callable[[Storage], memoryview]]:
    found = [name for name in members if name.split("/", 1)[-1] == "data.pkl"]
    if len(found) != 1:
        raise BadFile("it is a zip archive, but none of PyTorch's: it has no data.pkl")
    folder = found[0].removesuffix("data.pkl")
    if bytes(members.get(f"{folder}byteorder", b"little")[:8]) != b"little":
        raise BadFile("it was written by a big-endian machine")
    pickle = members[found[0]]
    if len(pickle) > pickles.LONGEST:
        raise BadFile(f"its pickle has {len(pickle)} bytes, which no state dict needs")
    root, _ = pickles.run(pickle, 0, _call, _persistent)

    def bytes_of(storage: Storage) -> memoryview:
        name = f"{folder}data/{storage.key}"
        if name not in members:
            raise BadFile(f"it lacks the member {name[:80]!r}")
        return members[name]

    return root, bytes_of


def _legacy(view: memoryview) -> tuple[Any, Callable[[Storage], memoryview]]:
    magic, at = pickles.run(view, 0, _call, _persistent)
    protocol, at = pickles.run(view, at, _call, _persistent)
    system, at = pickles.run(view, at, _call, _persistent)
    if magic != LEGACY_MAGIC or protocol != 1001 or not isinstance(system, dict):
        raise BadFile("it is a pickle, but none of PyTorch's")
    if system.get("little_endian") is not True:
        raise BadFile("it was written by a big-endian machine")
    storages: dict[str, Storage] = {}

    def persistent(identifier: Any) -> Storage:
        storage = _persistent(identifier)
        if storages.setdefault(storage.key, storage) != storage:
            raise BadFile(f"it describes the storage {storage.key[:80]!r} in two ways")
        return storage

    root, at = pickles.run(view, at, _call, persistent)
    keys, at = pickles.run(view, at, _call, _persistent)
    if not isinstance(keys, list) or any(not isinstance(key, str) for key in keys) or set(keys) != set(storages):
        raise BadFile("the storages that it lists are not those of its tensors")
    found: dict[str, memoryview] = {}
    for key in keys:
        count, at = take(view, at, 8)
        storage = storages[key]
        if int.from_bytes(count, "little") != storage.count or key in found:
            raise BadFile(f"the storage {key[:80]!r} is not as long as its tensors say")
        found[key], at = take(view, at, storage.count * storage.dtype.itemsize)
    return root, lambda storage: found[storage.key]


def _call(name: Name, arguments: tuple[Any, ...]) -> Any:
    match name.name, arguments:
        case "collections.OrderedDict", ():
            return {}
        case "torch._utils._rebuild_tensor_v2", (storage, offset, shape, strides, _, _, *_):
            return _tensor(storage, offset, shape, strides)
        case "torch._utils._rebuild_parameter", (Tensor() as tensor, _, _):
            return tensor
    raise BadFile(
        f"its pickle calls {name.name[:80]!r}, which no state dict needs: it may be malicious, and is refused"
    )


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers):
        raise BadFile("its pickle describes a tensor that can be none")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _persistent(identifier: Any) -> Storage:
    match identifier:
        case ("storage", Name(kind), str(key), str(), int(count), *_) if kind in STORAGES and count >= 0:
            return Storage(STORAGES[kind], key, count)
        case ("storage", Name(kind), *_):
            raise BadFile(f"its pickle has a storage of the kind {kind[:80]!r}; known are {', '.join(STORAGES)}")
    raise BadFile("its pickle refers to something other than a storage")


def _view(name: str, tensor: Tensor, bytes_of: Callable[[Storage], memoryview]) -> np.ndarray:
    """The tensor, without a copy: its numbers must lie in its storage, and be no more than that has."""
    storage, shape = tensor.storage, tensor.shape
    check_shape(name[:80], shape)
    data = bytes_of(storage)
    last = tensor.offset + sum((length - 1) * stride for length, stride in zip(shape, tensor.strides, strict=False))
    lengths = len(shape) == len(tensor.strides) and math.prod(shape) <= storage.count
    if len(data) != storage.count * storage.dtype.itemsize or not lengths or last >= storage.count:
        raise BadFile(f"{name[:80]} is said to be {list(shape)}, which its storage of {len(data)} bytes cannot hold")
    base = np.frombuffer(data, storage.dtype)[tensor.offset :]
    # the stride of an axis of one is never taken, and may be any number
    strides = [stride * base.itemsize * (length > 1) for length, stride in zip(shape, tensor.strides, strict=True)]
    return np.lib.stride_tricks.as_strided(base, shape, strides, writeable=False)
