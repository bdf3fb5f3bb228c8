"""Images that no evaluation counts, such as those that the ILSVRC organisers have blacklisted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from inception_jax.data.records import DataError, Record, Source

_VALIDATION_IMAGES = 50_000


def without(source: Source, path: str) -> Source:
    """`source`, whose images that the file at `path` names have no valid label, so that no evaluation counts them.

    The file has one image a line: a file name, of which a folder does not matter, or a number, which is that of an
    image of ILSVRC2012's validation set, from 1. Empty lines and what follows `#` say nothing.

    Args:
      source: images whose names end in those of their files.
      path: empty: `source` itself.

    Raises:
      DataError: the file cannot be read, names nothing, or has a number that is no image of that set.
    """
    if not path:
        return source
    names = _names(Path(path).expanduser())

    def read(index: int) -> Record:
        record = source.read(index)
        return record._replace(valid=()) if record.name.rpartition("/")[2] in names else record

    return dataclasses.replace(source, read=read)


def _names(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DataError(f"config.evaluation.exclude ({path}) cannot be read: {reason}") from error
    names = set()
    for place, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if name.isdecimal():
            if not 1 <= int(name) <= _VALIDATION_IMAGES:
                raise DataError(
                    f"config.evaluation.exclude ({path}), line {place}: {name} is no image of ILSVRC2012's validation "
                    f"set, which are numbered 1 to {_VALIDATION_IMAGES}"
                )
            name = f"ILSVRC2012_val_{int(name):08}.JPEG"
        names.add(name.rpartition("/")[2])
    names.discard("")
    if not names:
        raise DataError(f"config.evaluation.exclude ({path}) names no image")
    return frozenset(names)
