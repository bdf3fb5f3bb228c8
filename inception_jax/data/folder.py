"""Class folders of image files: `PATH/[SPLIT/]CLASS/**/NAME.jpg`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from inception_jax.data.records import DataError, Record, Source

SUFFIXES = (".jpg", ".jpeg", ".png")
_SPLIT_NAMES = ("train", "validation", "val", "test")


def open_split(path: str, split: str) -> Source:
    """Lists a folder once; files are read when asked for.

    The subfolder named `split` is the split where it exists; otherwise `split` must be `all`. Classes are
    the sorted folder names, and those of `train` for its sibling splits, so that labels mean the same in
    all of them. Files are in the order of a hash of their path below the split, so that any slice mixes
    classes and depends neither on the file system nor on where the folder lies. Hidden files are ignored.

    Raises:
      DataError: the folder or split does not exist, or a class has no JPEG or PNG file.
    """
    root = Path(path).expanduser()
    base = _split_folder(root, split)
    names = _folders(base)
    if not names:
        raise DataError(f"folder:{path}: {base} has no class folders; it must hold one folder of images a class")
    class_names = _folders(root / "train") if base != root and (root / "train").is_dir() else names
    if strangers := sorted(set(names) - set(class_names)):
        raise DataError(f"folder:{path}: {base / strangers[0]} is a class that {root / 'train'} does not have")

    files = [(file, class_names.index(name)) for name in names for file in _images(base, name)]
    files.sort(key=lambda item: hashlib.sha256(item[0].encode()).digest())

    def read(index: int) -> Record:
        file, label = files[index]
        try:
            return Record((base / file).read_bytes(), label, str(base / file))
        except OSError as error:
            raise DataError(f"{base / file} cannot be read: {error.strerror}") from error

    return Source(class_names, range(len(files)), read)


def _split_folder(root: Path, split: str) -> Path:
    if not root.is_dir():
        raise DataError(f"folder:{root}: no such folder")
    if (root / split).is_dir():
        return root / split
    present = [name for name in _SPLIT_NAMES if (root / name).is_dir()]
    if present:
        raise DataError(f"folder:{root} has no subfolder {split!r}; its splits are {', '.join(present)}")
    if split != "all":
        raise DataError(
            f"folder:{root} has no subfolder {split!r}; make one, or use slices of 'all' such as 'all[:95%]' "
            "and 'all[95%:]'"
        )
    return root


def _folders(base: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in base.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def _images(base: Path, class_name: str) -> list[str]:
    """Paths below `base`, with forward slashes, of the images of one class."""
    images, others = [], 0
    for directory, subdirectories, files in os.walk(base / class_name, followlinks=True):
        subdirectories[:] = [name for name in subdirectories if not name.startswith(".")]
        for file in files:
            if file.startswith("."):
                continue
            if file.lower().endswith(SUFFIXES):
                images.append((Path(directory) / file).relative_to(base).as_posix())
            else:
                others += 1
    if not images:
        found = f"none of its {others} files ends in" if others else "it is empty; it needs files that end in"
        raise DataError(f"class folder {base / class_name}: {found} {', '.join(SUFFIXES)}")
    return images
