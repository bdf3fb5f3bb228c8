"""Sorted string tables, LevelDB's format, in which TensorFlow keeps its checkpoints.

https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import google_crc32c
import numpy as np

from inception_jax.weights.readers.files import BadFile
from inception_jax.weights.readers.protobuf import take, varint

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
FOOTER = 48
MOST_ENTRIES = 100_000
LONGEST_KEY = 4096  # keys are stored as differences, so that a small file could write out long ones


def entries(table: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Every key and value, in order.

    Raises:
      BadFile: cut off, altered or compressed.
    """
    if len(table) < FOOTER or table[-8:] != MAGIC:
        raise BadFile("it does not end as a table of a checkpoint does: it may be cut off")
    footer = table[-FOOTER:]
    _, at = _handle(footer, 0)  # the meta index, of which nothing is wanted
    (start, size), _ = _handle(footer, at)
    end = count = 0
    for _, handle in _block_entries(_block(table, start, size)):
        (start, size), _ = _handle(handle, 0)
        if start < end:
            raise BadFile("blocks of its table overlap")
        end = start + size
        for entry in _block_entries(_block(table, start, size)):
            count += 1
            if count > MOST_ENTRIES:
                raise BadFile(f"its table has more than {MOST_ENTRIES} entries")
            yield entry


def check(what: str, data: memoryview, masked: int) -> None:
    """Compares `data` with its CRC-32C as TensorFlow and LevelDB store it."""
    crc = google_crc32c.value(np.frombuffer(data, np.uint8))  # type: ignore[arg-type]  # it takes every buffer
    if ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF != masked:
        raise BadFile(f"{what} does not match its checksum: the file is damaged")


def _handle(view: memoryview, at: int) -> tuple[tuple[int, int], int]:
    start, at = varint(view, at)
    size, at = varint(view, at)
    return (start, size), at


def _block(table: memoryview, start: int, size: int) -> memoryview:
    data, at = take(table, start, size)
    trailer, _ = take(table, at, 5)
    if trailer[0]:
        raise BadFile("its table is compressed, which TensorFlow's checkpoints are not")
    check("a block of its table", table[start : at + 1], struct.unpack("<I", trailer[1:])[0])
    return data


def _block_entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    if len(block) < 4:
        raise BadFile("a block of its table is too short")
    restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise BadFile("a block of its table is too short")
    block = block[:end]
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        rest, at = varint(block, at)
        length, at = varint(block, at)
        suffix, at = take(block, at, rest)
        value, at = take(block, at, length)
        if shared > len(key) or shared + rest > LONGEST_KEY:
            raise BadFile("a key of its table is none")
        key = key[:shared] + bytes(suffix)
        yield key, value
