"""Writes every format that the readers read, mostly byte by byte, for tests to read and to break."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import google_crc32c
import h5py
import numpy as np
import safetensors.numpy

Tensors = Mapping[str, np.ndarray]

# PyTorch


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _int(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def _tuple(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def torch_pickle(tensors: Tensors, legacy: bool = False, around: tuple[bytes, bytes] = (b"", b"")) -> bytes:
    """The program that torch writes for a state dict: storages by number, row-major views of them."""
    items = b""
    for number, (name, value) in enumerate(tensors.items()):
        kind = {"float32": b"FloatStorage", "int64": b"LongStorage", "float16": b"HalfStorage"}[value.dtype.name]
        parts = [_text("storage"), b"ctorch\n" + kind + b"\n", _text(str(number)), _text("cpu"), _int(value.size)]
        storage = _tuple(*parts, *([b"N"] if legacy else [])) + b"Q"
        shape = _tuple(*map(_int, value.shape))
        strides = _tuple(*(_int(stride // value.itemsize) for stride in value.strides))
        arguments = _tuple(storage, _int(0), shape, strides, b"\x89", ORDERED_DICT)
        items += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"
    return b"\x80\x02" + around[0] + ORDERED_DICT + b"(" + items + b"u" + around[1] + b"."


def torch_zip(tensors: Tensors, program: bytes | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("weights/data.pkl", torch_pickle(tensors) if program is None else program)
        archive.writestr("weights/byteorder", "little")
        for number, value in enumerate(tensors.values()):
            archive.writestr(f"weights/data/{number}", value.tobytes())
    return file.getvalue()


def torch_legacy(tensors: Tensors) -> bytes:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system))
    keys = [str(number) for number in range(len(tensors))]
    data = b"".join(struct.pack("<q", value.size) + value.tobytes() for value in tensors.values())
    return head + torch_pickle(tensors, legacy=True) + pickle.dumps(keys, 2) + data


# Keras


def keras_3(tensors: Tensors) -> bytes:
    """`.weights.h5`: what a layer holds is numbered in the order of `tensors`."""
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        layers = sorted({name.rpartition("/")[0] for name in tensors})
        for number, layer in enumerate(layers):
            group = root.create_group(f"layers/layer_{number}/vars")
            group.attrs["name"] = layer
            held = [value for name, value in tensors.items() if name.rpartition("/")[0] == layer]
            for place, value in enumerate(held):
                group.create_dataset(str(place), data=value)
        root.create_group("optimizer/vars").create_dataset("0", data=7)
    return file.getvalue()


def keras_zip(tensors: Tensors) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps({}))
        archive.writestr("model.weights.h5", keras_3(tensors))
    return file.getvalue()


def keras_2(tensors: Tensors, prefix: str = "") -> bytes:
    """`.h5` of Keras 1 to 3: a group for each layer, and in it the names of TensorFlow's variables."""
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        top = root.require_group(prefix) if prefix else root
        top.attrs["layer_names"] = [name.rpartition("/")[0].encode() for name in tensors]
        for name, value in tensors.items():
            top.create_dataset(f"{name.rpartition('/')[0]}/{name}:0", data=value)
    return file.getvalue()


# protocol buffers


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def caffe(tensors: Tensors, old: bool = False) -> bytes:
    """Layers in the order of their names; `old` has the messages of before 2014, four axes to every blob."""
    layers, name, blobs = (2, 4, 6) if old else (100, 1, 7)
    found = field(1, b"a network")
    for layer in sorted({key.rpartition("/")[0] for key in tensors}):
        body = field(name, layer.encode())
        for number in range(2):
            value = tensors.get(f"{layer}/{number}")
            if value is None:
                continue
            if old:
                axes = (1,) * (4 - value.ndim) + value.shape
                shape = b"".join(field(axis, length) for axis, length in enumerate(axes, start=1))
            else:
                shape = field(7, field(1, b"".join(map(varint, value.shape))))
            body += field(blobs, shape + field(5, value.astype("<f4").tobytes()))
        found += field(layers, body)
    return found


def onnx(tensors: Tensors, raw: bool = True) -> bytes:
    graph = b""
    for name, value in tensors.items():
        shape = b"".join(field(1, length) for length in value.shape)
        graph += field(5, shape + field(2, 1) + field(8, name.encode()) + field(9 if raw else 4, value.tobytes()))
    return field(1, 3) + field(7, graph)


# TensorFlow


def masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def sstable(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A table with three entries to a block, keys stored as differences."""
    entries = list(entries)
    out, index = bytearray(), []
    for start in range(0, len(entries), 3):
        block = _block(entries[start : start + 3])
        index.append((entries[start : start + 3][-1][0], varint(len(out)) + varint(len(block))))
        out += _sealed(block)
    handles = b""
    for block in (_block([]), _block(index)):
        handles += varint(len(out)) + varint(len(block))
        out += _sealed(block)
    return bytes(out) + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def _block(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    out, last = b"", b""
    for key, value in entries:
        shared = next((n for n, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return out + struct.pack("<II", 0, 1)


def _sealed(block: bytes, kind: bytes = b"\0") -> bytes:
    return block + kind + struct.pack("<I", masked_crc(block + kind))


def _shape(value: np.ndarray) -> bytes:
    return b"".join(field(2, field(1, length)) for length in value.shape)


def tensor_bundle(tensors: Tensors) -> tuple[bytes, bytes]:
    """The index and the one data file."""
    data, entries = bytearray(), [(b"", field(1, 1) + field(3, field(1, 1)))]
    for name, value in sorted(tensors.items()):
        entry = field(1, 1) + field(2, _shape(value)) + field(4, len(data)) + field(5, value.nbytes)
        checksum = struct.pack("<I", masked_crc(value.tobytes()))
        entries.append((name.encode(), entry + varint(6 << 3 | 5) + checksum))
        data += value.tobytes()
    return sstable(entries), bytes(data)


def tensor_slices(tensors: Tensors) -> bytes:
    described = b"".join(
        field(1, field(1, name.encode()) + field(2, _shape(value)) + field(3, 1)) for name, value in tensors.items()
    )
    entries = [(b"", field(1, described))]
    for name, value in sorted(tensors.items()):
        piece = field(1, name.encode()) + field(3, field(1, 1) + field(5, value.tobytes()))
        entries.append((b"\0" + name.encode(), field(2, piece)))
    return sstable(entries)


def graph_def(tensors: Tensors) -> bytes:
    """A frozen graph: constants, and the nodes that read them."""
    out = b""
    for name, value in tensors.items():
        tensor = field(1, 1) + field(2, _shape(value)) + field(4, value.tobytes())
        attribute = field(1, b"value") + field(2, field(8, tensor))
        out += field(1, field(1, name.encode()) + field(2, b"Const") + field(5, attribute))
        read = field(1, f"{name}/read".encode()) + field(2, b"Identity") + field(3, name.encode())
        out += field(1, read)
    return out


FORMATS: dict[str, Callable[[Tensors], bytes]] = {
    "pytorch": torch_zip,
    "pytorch legacy": torch_legacy,
    "safetensors": lambda tensors: safetensors.numpy.save(dict(tensors)),
    "keras 3": keras_3,
    "keras zip": keras_zip,
    "keras 2": keras_2,
    "tensor_bundle": lambda tensors: tensor_bundle(tensors)[0],
    "tensor_slices": tensor_slices,
    "graph_def": graph_def,
    "caffe": caffe,
    "caffe old": lambda tensors: caffe(tensors, old=True),
    "onnx": onnx,
}


def write(folder: Path, kind: str, tensors: Tensors) -> Path:
    """A file of the format `kind`, with no suffix that tells it; of a bundle, the index beside its data."""
    path = folder / ("weights.index" if kind == "tensor_bundle" else "weights")
    path.write_bytes(FORMATS[kind](tensors))
    if kind == "tensor_bundle":
        (folder / "weights.data-00000-of-00001").write_bytes(tensor_bundle(tensors)[1])
    return path
