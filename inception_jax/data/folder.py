"""Class folders of image files: `PATH/[SPLIT/]CLASS/**/NAME.jpg`."""

from __future__ import annotations

import os
from pathlib import Path

from inception_jax.data.decode import DecodeError
from inception_jax.data.folder_index import class_folders, index_of
from inception_jax.data.records import DataError, Record, Source

_SPLIT_NAMES = ("train", "validation", "val", "test")


def open_split(path: str, split: str) -> Source:
    """Lists a folder, or takes the listing that is kept of it; files are read when asked for.

    The subfolder named `split` is the split where it exists; otherwise `split` must be `all`. Classes are
    the sorted folder names, and those of `train` for its sibling splits, so that labels mean the same in
    all of them. Files are in the order of a hash of their path below the split, so that any slice mixes
    classes and depends neither on the file system nor on where the folder lies. Hidden files are ignored.

    Raises:
      DataError: the folder or split does not exist, or a class has no JPEG or PNG file. Reading a record raises
        DecodeError where its file cannot be read.
    """
    root = Path(path).expanduser()
    base = _split_folder(root, split)
    index = index_of(base)
    class_names = class_folders(root / "train") if base != root and (root / "train").is_dir() else index.classes
    if strangers := sorted(set(index.classes) - set(class_names)):
        raise DataError(f"folder:{path}: {base / strangers[0]} is a class that {root / 'train'} does not have")
    labels = [class_names.index(name) for name in index.classes]

    folder = str(base)

    def name(place: int) -> str:
        return os.path.join(folder, index.path(place))

    def read(place: int) -> Record:
        file = name(place)
        try:
            with open(file, "rb", buffering=0) as opened:
                return Record(opened.read(), labels[index.labels[place]], file)
        except OSError as error:
            raise DecodeError(f"{file}: cannot be read: {error.strerror}") from error

    return Source(class_names, range(len(index.labels)), read, name=name)


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
