"""The directory of one run: config.json, environment.json, results.json, and the checks before it is used."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

import inception_jax
from inception_jax.config import Config, ConfigError, difference, flatten, resolve
from inception_jax.errors import UserError


class RunDirectoryError(UserError, RuntimeError):
    """A run directory that cannot be used for this run. The message names it, the reason and the remedy."""


def prepare(workdir: Path, config: Config) -> None:
    """Makes `workdir`, proves that it can be written and that it is this run's or new.

    Raises:
      RunDirectoryError: it cannot be written, or holds a run with another config.
    """
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=workdir) as probe:
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
    if (workdir / "config.json").exists():
        require_same(flatten(read_config(workdir)), flatten(config), workdir)


def record(workdir: Path, config: Config) -> None:
    """Writes config.json and environment.json, those of the newest start."""
    write_json(workdir / "config.json", dataclasses.asdict(config))
    write_json(workdir / "environment.json", environment())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the file system refuses inside into a RunDirectoryError naming `path`."""
    try:
        yield
    except OSError as error:
        raise RunDirectoryError(
            f"{path} cannot be written: {error.strerror or error}; free space, or choose another workdir"
        ) from error


def read_config(workdir: Path) -> Config:
    """The config that a run was started with.

    Raises:
      RunDirectoryError: `workdir` holds no config.json, or one that this version cannot read.
    """
    path = workdir / "config.json"
    try:
        return resolve(json.loads(path.read_text()))
    except FileNotFoundError:
        raise RunDirectoryError(f"{workdir} is not a run directory: it has no config.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError, ConfigError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}") from error


def require_same(old: Mapping[str, Any], new: Mapping[str, Any], where: Path) -> None:
    """Compares flattened configs.

    Raises:
      RunDirectoryError: listing every field that can change the result as `field: old -> new`.
    """
    if changes := difference(old, new):
        listed = ", ".join(f"{name}: {before!r} -> {after!r}" for name, (before, after) in changes.items())
        raise RunDirectoryError(
            f"{where} holds a run with another config ({listed}); undo the change or choose another workdir"
        )


def read_results(workdir: Path) -> dict[str, Any] | None:
    """The results of a finished run, None while it is not finished."""
    path = workdir / "results.json"
    return json.loads(path.read_text()) if path.exists() else None


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes `values` to `path`, whole or not at all.

    Raises:
      RunDirectoryError: it cannot be written.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with writing(path):
            with scratch.open("w") as file:
                json.dump(values, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def environment() -> dict[str, Any]:
    """What the run computes with: versions, source revision (None outside a git checkout) and devices."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: importlib.metadata.version(name) for name in packages},
        "inception_jax": inception_jax.__version__,
        "git_commit": _git_commit(),
        "devices": [device.device_kind for device in jax.devices()],
        "backend": jax.default_backend(),
        "processes": jax.process_count(),
    }


def _git_commit() -> str | None:
    source = Path(__file__).parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        # An installed package may lie below somebody else's checkout: only a tracked file names our revision.
        subprocess.run(["git", "-C", str(source), "ls-files", "--error-unmatch", __file__], **_QUIET)
        return subprocess.run(command, **_QUIET).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


_QUIET: dict[str, Any] = {"check": True, "capture_output": True, "text": True}
