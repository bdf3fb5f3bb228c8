"""Image files that are named one by one, as folders or as patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from inception_jax.data.decode import DecodeError
from inception_jax.data.folder_index import SUFFIXES
from inception_jax.data.records import DataError, Record, Source


class ImageFile(NamedTuple):
    """A file, and the class folder in which it was found: that right below a folder that was named, or None."""

    path: Path
    class_name: str | None = None


def find_images(given: Sequence[str]) -> list[ImageFile]:
    """The files that are meant.

    Args:
      given: files, which need not be there; folders, searched to any depth; and patterns such as `photos/*.jpg`
        and `photos/**/cat*`, whose matches are files or folders. Hidden files are found only if they are named.

    Returns:
      In the order of `given`, each folder's and each pattern's in the order of their names.

    Raises:
      DataError: a folder without images, or a pattern that nothing matches.
    """
    found: list[ImageFile] = []
    for text in given:
        path = Path(text).expanduser()
        if path.is_dir():
            found += _in_folder(path)
        elif path.exists() or not glob.has_magic(text):
            found.append(ImageFile(path))
        else:
            matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
            files = [ImageFile(match) for match in matches if match.is_file() and _is_image(match)]
            # `**` matches a folder and all that is in it; what is in it is not to be taken twice
            folders = [] if "**" in text else [match for match in matches if match.is_dir()]
            files += [file for folder in folders for file in _in_folder(folder)]
            if not files:
                raise DataError(f"{text} matches no image ({', '.join(SUFFIXES)})")
            found += files
    return found


def source_of(files: Sequence[ImageFile], class_names: tuple[str, ...] = ()) -> Source:
    """The files as a source.

    Args:
      files: in their order.
      class_names: names for their labels; empty: the class folders, if every file has one. Without any, every label
        is 0 and means nothing.
    """
    folders = {file.class_name for file in files}
    names = class_names or tuple(sorted(name for name in folders if name is not None))
    labelled = not class_names and None not in folders

    def read(index: int) -> Record:
        path, class_name = files[index]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DecodeError(f"{path}: cannot be read: {error.strerror}") from error
        label = names.index(class_name) if labelled and class_name is not None else 0
        return Record(data, label, str(path))

    return Source(names if labelled or class_names else ("",), range(len(files)), read)


def _in_folder(folder: Path) -> list[ImageFile]:
    found = []
    for directory, subdirectories, files in os.walk(folder, followlinks=True):
        subdirectories[:] = [name for name in subdirectories if not name.startswith(".")]
        below = Path(directory).relative_to(folder).parts
        found += [
            ImageFile(Path(directory, name), below[0] if below else None)
            for name in files
            if _is_image(Path(name)) and not name.startswith(".")
        ]
    if not found:
        raise DataError(f"{folder} holds no image ({', '.join(SUFFIXES)})")
    return sorted(found, key=lambda file: file.path)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
