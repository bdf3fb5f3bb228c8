"""TensorFlow's checkpoints since version 0.12: `NAME.index`, a table of where each tensor lies in `NAME.data-*`."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from inception_jax.weights.readers.checkpoints import DTYPES, shape_of, wanted
from inception_jax.weights.readers.files import BadFile, array, mapped
from inception_jax.weights.readers.protobuf import Message, take
from inception_jax.weights.readers.sstable import check, entries

MOST_SHARDS = 1000


def read(path: Path) -> dict[str, np.ndarray]:
    """The variables of a checkpoint by their names; `path` is the index.

    Raises:
      BadFile: the index or a data file is cut off, altered, missing or of another checkpoint.
    """
    table = dict(entries(mapped(path)))
    header = Message(table.pop(b"", b""))
    shards = header.integer(1, 1)
    if header.integer(2) or not 0 < shards <= MOST_SHARDS:
        raise BadFile("it was written by a big-endian machine, or in more parts than can be")
    found = {}
    for key, value in table.items():
        entry = Message(value)
        if entry.integer(1) in DTYPES:  # counters and the strings that describe objects are no weights
            found[str(key, "utf-8", "replace")] = entry
    stem = path.name.removesuffix(".index")
    files: dict[int, memoryview] = {}
    tensors = {}
    for name, stored in wanted(found).items():
        entry = found[stored]
        if 7 in entry:
            raise BadFile(f"{stored} is stored in slices, as no public checkpoint of these networks is")
        shard = entry.integer(3)
        if shard not in files:
            if shard >= shards:
                raise BadFile(f"{stored} lies in part {shard} of {shards}")
            data = path.with_name(f"{stem}.data-{shard:05}-of-{shards:05}")
            try:
                files[shard] = mapped(data)
            except BadFile as error:
                raise BadFile(f"its part {data.name}: {error}") from error
        size = entry.integer(5)
        data, _ = take(files[shard], entry.integer(4), size)
        tensors[name] = array(stored, data, DTYPES[entry.integer(1)], shape_of(Message(entry.bytes(2))))
        check(stored, data, struct.unpack("<I", bytes(entry.bytes(6)).ljust(4, b"\0")[:4])[0])
    return tensors
