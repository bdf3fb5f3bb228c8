"""Keras' weights in HDF5: `.weights.h5` and `.keras` of Keras 3, and `.h5` from Keras 1 on.

Tensors are called by their layer and themselves, as `conv2d_17/kernel`.
"""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5o  # type: ignore[attr-defined]

from inception_jax.weights.readers import archive
from inception_jax.weights.readers.files import MOST_TENSORS, BadFile, array, check_shape, mapped
from inception_jax.weights.readers.protobuf import take

Place = tuple[int, str, list[int]]
Entry = tuple[str, int, str, list[int]]

MAGIC = b"\x89HDF\r\n\x1a\n"
DEEPEST = 12
LONGEST = 60.0  # seconds to list a file
MOST_MEMORY = 4 << 30  # bytes of address space while listing

# Keras 3 numbers what a layer holds; how many there are tells what they are.
NUMBERED = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    3: ("beta", "moving_mean", "moving_variance"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}


def read(path: Path) -> dict[str, np.ndarray]:
    """The weights by the names of their layers.

    Raises:
      BadFile: cut off, damaged, without Keras' layers, or with links, cycles, compression or bytes outside itself.
    """
    whole = _hdf5_of(path)
    listed = _listed(path)
    if sum(math.prod(shape) * np.dtype(dtype).itemsize for _, _, dtype, shape in listed) > len(whole):
        raise BadFile(f"it claims more numbers than its {len(whole)} bytes can hold")
    tensors = {}
    for name, start, dtype, shape in listed:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        tensors[name] = array(name[:80], take(whole, start, size)[0], np.dtype(dtype), shape)
    return tensors


def _hdf5_of(path: Path) -> memoryview:
    whole = mapped(path)
    if whole[:8] == MAGIC:
        return whole
    members = archive.members(path)
    if "model.weights.h5" not in members:
        raise BadFile("it is a zip archive, but none of Keras': it has no model.weights.h5")
    return members["model.weights.h5"]


def _listed(path: Path) -> list[Entry]:
    """What `_entries` finds, found by a process of its own: damaged files make the HDF5 library loop for ever."""
    command = [sys.executable, "-m", __name__, str(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise BadFile("its HDF5 structure is damaged: it has no end") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["the HDF5 library gave up on it"]
        raise BadFile(said[-1][:300])
    return json.loads(done.stdout)


def _main(path: Path) -> int:
    """Prints the entries of a file as JSON; for `_listed`."""
    try:
        import resource
    except ImportError:  # not on Windows
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    try:
        whole = _hdf5_of(path)
        with h5py.File(path if mapped(path)[:8] == MAGIC else io.BytesIO(whole), "r") as root:
            print(json.dumps(_entries(root)))
    except BadFile as error:
        print(error, file=sys.stderr)
        return 1
    # whatever a damaged file makes the HDF5 library report, h5py may raise as almost anything
    except Exception as error:
        print(
            f"it is no whole HDF5 file: {' '.join(str(error).split())[:120] or type(error).__name__}", file=sys.stderr
        )
        return 1
    return 0


def _entries(root: h5py.Group) -> list[Entry]:
    """Name, first byte, type and shape of every tensor of a layer."""
    found: dict[str, dict[str, Place]] = {}
    for path, dataset, names in _datasets(root, (), set()):
        if path[0] in ("optimizer", "optimizer_weights", "vars") or dataset.dtype.kind != "f":
            continue
        # Keras 3: layers/ITS OWN NAME/vars/NUMBER, with the layer's name on `vars`; before: LAYER/.../TENSOR:0
        numbered = path[-2:-1] == ("vars",)
        if numbered and "name" not in names:
            raise BadFile("its layers have no names; save it again with a newer Keras 3")
        layer = names["name"] if numbered else path[1] if path[0] == "model_weights" else path[0]
        held = found.setdefault(layer, {})
        tensor = path[-1].removesuffix(":0")
        if tensor in held:
            raise BadFile(f"{layer[:80]}/{tensor[:80]} is stored twice")
        held[tensor] = _place(path, dataset)
    entries = []
    for layer, held in found.items():
        if all(tensor.isdecimal() for tensor in held):
            if len(held) not in NUMBERED:
                raise BadFile(f"the layer {layer[:80]!r} holds {len(held)} tensors")
            ordered = [held[number] for number in sorted(held, key=int)]
            held = dict(zip(NUMBERED[len(held)], ordered, strict=True))
        entries += [(f"{layer}/{tensor}", *place) for tensor, place in held.items()]
    return entries


def _datasets(
    group: h5py.Group, path: tuple[str, ...], seen: set[Any]
) -> Iterator[tuple[tuple[str, ...], h5py.Dataset, dict[str, str]]]:
    """Every dataset with its path and the text attributes of its group, each object reached once, by hard links."""
    if len(path) > DEEPEST:
        raise BadFile("its groups lie too deep")
    names = {key: _text(group.attrs[key]) for key in ("name",) if key in group.attrs}
    for name in group:
        here = (*path, str(name))
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise BadFile(f"{'/'.join(here)[:80]!r} is a link to elsewhere")
        item = group[name]
        place = h5o.get_info(item.id).addr
        if place in seen or len(seen) > 4 * MOST_TENSORS:
            raise BadFile(f"{'/'.join(here)[:80]!r} leads back to what has been read, or there is no end to its groups")
        seen.add(place)
        if isinstance(item, h5py.Group):
            yield from _datasets(item, here, seen)
        elif isinstance(item, h5py.Dataset):
            yield here, item, names


def _place(path: tuple[str, ...], dataset: h5py.Dataset) -> Place:
    """Where a dataset's bytes lie in the file, in one piece and as they are."""
    name = "/".join(path)[:80]
    if dataset.shape is None:
        raise BadFile(f"{name!r} is empty")
    check_shape(name, dataset.shape)
    start = dataset.id.get_offset()
    if start is None or dataset.external or dataset.dtype.str not in ("<f2", "<f4", "<f8"):
        raise BadFile(f"{name!r} is compressed or kept elsewhere; Keras stores weights as they are")
    return start, dataset.dtype.str, list(map(int, dataset.shape))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
