"""Results as new files: the suffix says the format, and nothing is ever overwritten."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inception_jax.new_file import OutputFileError, new_file
from inception_jax.reporting.tables import render

FORMATS = {".csv": "csv", ".json": "json", ".md": "markdown"}


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
