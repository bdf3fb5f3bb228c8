"""Results as new files: the suffix says the format, and nothing is ever overwritten."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from inception_jax.errors import UserError
from inception_jax.reporting.tables import render

FORMATS = {".csv": "csv", ".json": "json", ".md": "markdown"}


class OutputFileError(UserError, RuntimeError):
    """A file that cannot be written. The message names it, the reason and the remedy."""


def require_new(path: Path, suffixes: Sequence[str] = tuple(FORMATS)) -> None:
    """Checks, before anything is computed, that a result can be written to `path`.

    Raises:
      OutputFileError: another suffix, a file that is already there, or a folder that is not there or read-only.
    """
    if path.suffix not in suffixes:
        raise OutputFileError(f"{path}: the name must end in {' or '.join(suffixes)}")
    if path.exists():
        raise OutputFileError(f"{path} is there already and is not overwritten; name another file or remove it")
    if not path.parent.is_dir():
        raise OutputFileError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputFileError(f"{path}: the folder {path.parent} cannot be written")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Writes a table in the format of the suffix, one of `FORMATS`.

    Raises:
      OutputFileError: see `require_new`, or the file system refuses.
    """
    with new_file(path) as file:
        file.write(render(rows, columns, FORMATS[path.suffix]).encode() + b"\n")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be filled inside, which then appears as `path`, whole or not at all.

    Raises:
      OutputFileError: `path` is there already, or the file system refuses.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            yield file
        if path.exists():  # made by somebody else since `require_new`
            raise OutputFileError(f"{path} is there already and is not overwritten")
        scratch.rename(path)
    except OSError as error:
        raise OutputFileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        scratch.unlink(missing_ok=True)
