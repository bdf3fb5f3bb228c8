"""One job a run directory: a lock that ends with its process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inception_jax.training.run_directory import RunDirectoryError, writing

LOCK_FILE = ".lock"


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Keeps every other process from training in `workdir`.

    The operating system holds the lock (`flock`), so a killed process leaves none behind. Where the file system
    has no locks a warning says so.

    Raises:
      RunDirectoryError: another process trains there; it is named.
    """
    with writing(workdir):
        file = (workdir / LOCK_FILE).open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise RunDirectoryError(
                f"{holder} is training in {workdir}; wait for it, stop it, or choose another workdir"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS):
                raise
            warnings.warn(f"{workdir} has no file locks: make sure that no other job trains in it", stacklevel=3)
        with writing(workdir):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        try:
            yield
        finally:
            file.truncate(0)
