"""Files that appear whole or not at all, and never in the place of another but where that is said."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from inception_jax.errors import UserError


class OutputFileError(UserError, RuntimeError):
    """A file that cannot be written. The message names it, the reason and the remedy."""


@contextlib.contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A file to be filled inside, which then appears as `path`.

    Args:
      path: where.
      replace: whether a file that is there gives way.

    Raises:
      OutputFileError: `path` is there already and does not give way, or the file system refuses.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with scratch.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and not replace:
            raise OutputFileError(f"{path} is there already and is not overwritten; remove it or choose another name")
        scratch.replace(path)
    except OSError as error:
        raise OutputFileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        scratch.unlink(missing_ok=True)
