"""The images of a tree of class folders, listed once and kept in the user's cache.

A listing of many images is kept as a file in `cache_folder()`, under a name made of the tree's path. It is used again
while every folder in the tree, and the tree's own, is the same folder with the same time of change: one look at each
folder, none at the images. Adding, removing or renaming a file or folder changes the time of its folder and so is
noticed; an image that is overwritten in place needs no new listing. What goes unnoticed is a change after which the
folder's old time was put back. Touching a folder, or removing the kept file, forces a new listing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inception_jax.data.records import DataError
from inception_jax.new_file import OutputFileError, new_file

SUFFIXES = (".jpg", ".jpeg", ".png")

_log = logging.getLogger(__name__)
_VERSION = 1
_WORTH_KEEPING = 10_000  # images; fewer are listed faster than anyone notices
_CLOCK_TICK = 2 * 10**9  # ns: a folder changed so shortly before it was listed may have changed again in the same tick


class Folder(NamedTuple):
    """A folder of the tree at the time of listing: its path below the tree, and what tells that it is unchanged."""

    path: str
    inode: int
    changed: int


class Index(NamedTuple):
    """The images of a tree.

    Attributes:
      classes: names of the class folders, sorted.
      paths: bytes of all images' paths below the tree, one after the other, in the order of a hash of each.
      ends: int64 [N], where each path ends.
      labels: int32 [N], of each image, into `classes`.
    """

    classes: tuple[str, ...]
    paths: bytes
    ends: np.ndarray
    labels: np.ndarray

    def path(self, index: int) -> str:
        """The path of an image below the tree, with forward slashes."""
        return os.fsdecode(self.paths[self.ends[index - 1] if index else 0 : self.ends[index]])


def index_of(base: Path) -> Index:
    """The images below `base`, one folder a class; from the cache, or listed and kept there.

    Raises:
      DataError: there is no class folder, a class has no JPEG or PNG file, or a link leads back up the tree.
    """
    kept = _kept_file(base)
    if kept and kept.exists():
        found = _load(kept, base)
        if isinstance(found, Index):
            return found
        if found:
            _log.warning("%s: %s; it is listed again", base, found)
    begun = time.time_ns()
    index, folders = _list(base)
    if kept and len(index.labels) >= _WORTH_KEEPING:
        _log.info("%s: %d images of %d classes", base, len(index.labels), len(index.classes))
        _keep(kept, base, index, folders, begun)
    return index


def cache_folder() -> Path | None:
    """Where listings are kept: INCEPTION_JAX_CACHE, or `inception_jax` in XDG_CACHE_HOME or in ~/.cache."""
    if given := os.environ.get("INCEPTION_JAX_CACHE"):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inception_jax"
    except RuntimeError:  # a user without a home
        return None


def _kept_file(base: Path) -> Path | None:
    folder = cache_folder()
    return folder and folder / "folders" / f"{hashlib.sha256(os.fsencode(base.resolve())).hexdigest()[:32]}.npz"


def _list(base: Path) -> tuple[Index, list[Folder]]:
    classes = class_folders(base)
    if not classes:
        raise DataError(f"{base} has no class folders; it must hold one folder of images a class")
    folders = [_folder("", os.stat(base))]
    paths: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        before, others = len(paths), 0
        for folder, files in _walk(base, name, ()):
            folders.append(folder)
            for file in files:
                if file.lower().endswith(SUFFIXES):
                    paths.append(os.fsencode(f"{folder.path}/{file}"))
                else:
                    others += 1
        if len(paths) == before:
            found = f"none of its {others} files ends in" if others else "it is empty; it needs files that end in"
            raise DataError(f"class folder {base / name}: {found} {', '.join(SUFFIXES)}")
        labels += [label] * (len(paths) - before)
    hashes = [hashlib.sha256(path).digest() for path in paths]
    order = sorted(range(len(paths)), key=hashes.__getitem__)
    ordered = [paths[place] for place in order]
    ends = np.cumsum(np.fromiter(map(len, ordered), np.int64, len(ordered)))
    return Index(classes, b"".join(ordered), ends, np.asarray(labels, np.int32)[order]), folders


def class_folders(base: Path) -> tuple[str, ...]:
    """Names of the folders in `base` that are not hidden, sorted."""
    with os.scandir(base) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))


def _walk(base: Path, path: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[Folder, list[str]]]:
    """Every folder below, with its files; hidden ones are left out, links are followed."""
    status = os.stat(base / path)
    here = status.st_dev, status.st_ino
    if here in above:
        raise DataError(f"{base / path} is a link to a folder above it; remove it")
    files, inner = [], []
    with os.scandir(base / path) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (inner if entry.is_dir() else files).append(entry.name)
    yield _folder(path, status), files
    for name in inner:
        yield from _walk(base, f"{path}/{name}", (*above, here))


def _folder(path: str, status: os.stat_result) -> Folder:
    return Folder(path, status.st_ino, status.st_mtime_ns)


def _keep(kept: Path, base: Path, index: Index, folders: list[Folder], begun: int) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        with new_file(kept) as file:
            np.savez(
                file,
                version=_VERSION,
                base=_packed([str(base.resolve())]),
                begun=begun,
                classes=_packed(index.classes),
                folders=_packed([folder.path for folder in folders]),
                inodes=np.array([folder.inode for folder in folders], np.uint64),
                changed=np.array([folder.changed for folder in folders], np.int64),
                paths=np.frombuffer(index.paths, np.uint8),
                ends=index.ends,
                labels=index.labels,
            )
    except (OSError, OutputFileError) as error:
        _log.warning("%s: its listing cannot be kept, so every start makes it anew: %s", base, error)


def _load(kept: Path, base: Path) -> Index | str:
    """The index; or why it cannot be used, empty where that means nothing to the user."""
    try:
        with kept.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = dict(arrays)
        if found["version"] != _VERSION or _unpacked(found["base"]) != [str(base.resolve())]:
            return ""
        if (found["changed"] > found["begun"] - _CLOCK_TICK).any():
            return ""
        folders = zip(_unpacked(found["folders"]), found["inodes"].tolist(), found["changed"].tolist(), strict=True)
        classes, labels = tuple(_unpacked(found["classes"])), found["labels"].astype(np.int32)
        index = Index(classes, found["paths"].tobytes(), found["ends"], labels)
        if len(index.ends) != len(index.labels) or index.ends[-1] != len(index.paths):
            return f"its listing {kept} is damaged"
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        return f"its listing {kept} is damaged"
    for path, inode, changed in folders:
        try:
            if _folder(path, os.stat(base / path)) != Folder(path, inode, changed):
                return f"{base / path} has changed since it was listed"
        except OSError:
            return f"{base / path} is gone since it was listed"
    return index


def _packed(names: list[str] | tuple[str, ...]) -> np.ndarray:
    return np.frombuffer(os.fsencode("\0".join(names)), np.uint8)


def _unpacked(packed: np.ndarray) -> list[str]:
    return os.fsdecode(packed.tobytes()).split("\0")
