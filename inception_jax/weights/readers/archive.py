"""Zip archives as PyTorch and Keras write them: every member is stored as it is, so none can grow when read."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from inception_jax.weights.readers.files import BadFile, mapped
from inception_jax.weights.readers.protobuf import take

MAGIC = b"PK\3\4"
MOST_MEMBERS = 50_000
_LOCAL = struct.Struct("<4s22xHH")  # header of a member: magic, then the lengths of its name and of the extra field


def members(path: Path) -> dict[str, memoryview]:
    """The bytes of every member by its name, in place.

    Raises:
      BadFile: no archive, cut off, damaged, or with members that are compressed, encrypted or lie in each other.
    """
    view = mapped(path)
    found = {}
    end = 0
    for info in sorted(directory(path), key=lambda info: info.header_offset):
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise BadFile(f"its member {info.filename[:80]!r} is compressed or encrypted; these files store theirs")
        header, at = take(view, info.header_offset, _LOCAL.size)
        magic, name, extra = _LOCAL.unpack(header)
        data, _ = take(view, at + name + extra, info.file_size)
        if magic != MAGIC or info.header_offset < end or info.filename in found:
            raise BadFile("its members overlap or do not lie where its directory says")
        if zlib.crc32(data) != info.CRC:
            raise BadFile(f"its member {info.filename[:80]!r} does not match its checksum: the file is damaged")
        end = info.header_offset + _LOCAL.size + name + extra + info.file_size
        found[info.filename] = data
    return found


def directory(path: Path) -> list[zipfile.ZipInfo]:
    """What a zip archive says that it has; `members` checks it."""
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
    # the module documents only the first; damaged headers make it raise the others
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        struct.error,
        ValueError,
        EOFError,
        OSError,
        OverflowError,
    ) as error:
        raise BadFile(f"it is no whole zip archive: {str(error)[:80]}") from error
    if len(listed) > MOST_MEMBERS:
        raise BadFile(f"it has more than {MOST_MEMBERS} members")
    return listed
