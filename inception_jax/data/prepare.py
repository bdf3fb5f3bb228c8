"""ImageNet from the files that people download themselves to a TFDS data set of ArrayRecords.

TFDS builds it, with TensorFlow, which TFDS itself imports; here are the checks before and after.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from inception_jax.data import imagenet, tfds
from inception_jax.data.records import DataError

DATASETS = ("imagenet2012", "imagenet2012_real", "imagenet_v2")
SAMPLE = 100
"""Images of a split that are compared with the archive, byte by byte."""

_WHERE = "https://image-net.org/download-images (after registration: ILSVRC2012, Task 1 & 2)"


class Archive(NamedTuple):
    """A file that people download.

    Attributes:
      name: of the file.
      split: what it holds.
      bytes: its size, whole.
      images: how many it holds, whole.
    """

    name: str
    split: str
    bytes: int
    images: int


_TRAIN = Archive("ILSVRC2012_img_train.tar", "train", 147_897_477_120, 1_281_167)
_VALIDATION = Archive("ILSVRC2012_img_val.tar", "validation", 6_744_924_160, 50_000)
_ARCHIVES = {"imagenet2012": (_TRAIN, _VALIDATION), "imagenet2012_real": (_VALIDATION,), "imagenet_v2": ()}


class Found(NamedTuple):
    """One archive as it is.

    Attributes:
      path: where it lies.
      split: what it holds.
      images: how many, by its headers; for a whole official one, as is known.
      classes: how many have a file of their own; None where images of all classes lie side by side.
    """

    path: Path
    split: str
    images: int
    classes: int | None


class Prepared(NamedTuple):
    """One split of the finished data set.

    Attributes:
      split: its name.
      images: how many it has.
      compared: how many of them were compared with the archive.
    """

    split: str
    images: int
    compared: int


def find_archives(name: str, manual_dir: Path) -> list[Found]:
    """The archives that a data set is made of, counted by their headers.

    Raises:
      DataError: some are missing (each is named, and where it can be had), truncated, or hold something else.
    """
    wanted = _ARCHIVES[base_name(name)]
    if missing := [archive for archive in wanted if not (manual_dir / archive.name).is_file()]:
        listed = ", ".join(f"{archive.name} ({archive.bytes / 1e9:.1f} GB)" for archive in missing)
        raise DataError(f"{manual_dir} lacks {listed}; download from {_WHERE}")
    return [_look_into(manual_dir / archive.name, archive) for archive in wanted]


def base_name(name: str) -> str:
    """The data set without its configuration.

    Raises:
      DataError: one that is not known here.
    """
    base = name.partition("/")[0].partition(":")[0]
    if base not in DATASETS:
        raise DataError(f"{name!r} is none of {', '.join(DATASETS)}; other data sets: `tfds build --help`")
    return base


def _look_into(path: Path, archive: Archive) -> Found:
    whole = path.stat().st_size == archive.bytes
    if archive is _VALIDATION:
        return Found(path, archive.split, archive.images if whole else len(_members(path)), None)
    known = {one.wnid for one in imagenet.classes()}
    classes = _members(path)
    for class_tar in classes:
        if class_tar.removesuffix(".tar") not in known:
            raise DataError(f"{path} holds {class_tar!r}; it must hold one tar a class, such as n01440764.tar")
    images = archive.images if whole else sum(len(_members(path, inside)) for inside in classes.values())
    return Found(path, archive.split, images, len(classes))


def _members(path: Path, inside: tarfile.TarInfo | None = None) -> dict[str, tarfile.TarInfo]:
    """The files of a tar, or of a tar inside of it, by name; `offset_data` counts from the start of that tar."""
    with path.open("rb") as file:
        stream: Any = file if inside is None else _Part(file, inside.offset_data, inside.size)
        where = str(path) if inside is None else f"{path}: {inside.name}"
        try:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                members = {member.name: member for member in tar if member.isfile()}
        except tarfile.TarError as error:
            raise DataError(
                f"{where} is truncated, damaged or no tar ({error}); download it again from {_WHERE}"
            ) from error
    if not members:
        raise DataError(f"{where} is empty; download it again from {_WHERE}")
    return members


class _Part:
    """A range of a file as a file, for tars inside of tars."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._at
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at


def build(name: str, manual_dir: Path, data_dir: str, archives: list[Found]) -> Any:
    """Builds the data set with TFDS, in a folder beside its own, which is renamed at the end.

    A build that was interrupted can be started again. A data set that is there already is left as it is.

    Args:
      name: as TFDS writes it.
      manual_dir: where the archives lie.
      data_dir: see `tfds.directory`.
      archives: of `find_archives`.

    Returns:
      TFDS's builder of the finished data set.

    Raises:
      DataError: no TensorFlow, too little space, or TFDS fails.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise DataError("preparing a data set needs TensorFlow: pip install 'inception-jax[prepare]'")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its greetings
    import tensorflow_datasets
    from tensorflow_datasets.core import splits

    directory = tfds.directory(data_dir)
    builder: Any = tensorflow_datasets.builder(name, data_dir=directory, file_format="array_record")
    if builder.is_prepared():
        return builder
    _require_space(Path(directory), sum(archive.path.stat().st_size for archive in archives))
    # TFDS shows its progress; the totals let it estimate the time that is left.
    expected = [
        splits.SplitInfo(
            name=archive.split,
            shard_lengths=[archive.images],
            num_bytes=0,
            filename_template=_template(builder, archive),
        )
        for archive in archives
    ]
    builder.info.set_splits(splits.SplitDict(expected))
    config = tensorflow_datasets.download.DownloadConfig(manual_dir=str(manual_dir))
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where progress goes
            builder.download_and_prepare(download_config=config, file_format="array_record")
    except Exception as error:  # of TFDS, TensorFlow, the network and the disk
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DataError(f"tfds:{name} was not prepared ({type(error).__name__}: {reason}); run this again") from error
    return builder


def _template(builder: Any, archive: Found) -> Any:
    from tensorflow_datasets.core import naming

    return naming.ShardedFileTemplate(
        data_dir=builder.data_path,
        dataset_name=builder.name,
        split=archive.split,
        filetype_suffix="array_record",
    )


def _require_space(directory: Path, needed: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    # While TFDS shuffles, a part of the images is there twice.
    if free < 1.1 * needed:
        raise DataError(f"{directory} has {free / 1e9:.0f} GB of free space; {1.1 * needed / 1e9:.0f} GB are needed")


def verify(name: str, data_dir: str, builder: Any, archives: list[Found]) -> list[Prepared]:
    """Counts the images of every split, and compares a sample of them with the archives, read without TensorFlow.

    Raises:
      DataError: another number of images than in the archive, or another image.
    """
    of_split = {archive.split: archive for archive in archives}
    done = []
    for split, info in builder.info.splits.items():
        archive = of_split.get(split)
        if archive and info.num_examples != archive.images:
            raise DataError(
                f"tfds:{name} {split} has {info.num_examples} images and {archive.path} {archive.images}; "
                f"remove {builder.data_path} and run this again"
            )
        compared = _compare(name, split, data_dir, archive) if archive else 0
        done.append(Prepared(split, info.num_examples, compared))
    if lacking := of_split.keys() - builder.info.splits.keys():
        raise DataError(f"tfds:{name} has no split {min(lacking)}; remove {builder.data_path} and run this again")
    return done


def _compare(name: str, split: str, data_dir: str, archive: Found) -> int:
    """How many images were compared."""
    source = tfds.open_split(name, split, data_dir)
    outer = _members(archive.path)
    converted = _converted()
    chosen = np.random.default_rng(0).choice(len(source), min(SAMPLE, len(source)), replace=False)
    compared = 0
    with archive.path.open("rb") as file:
        for index in sorted(chosen.tolist()):
            record = source[index]
            file_name = record.name.rpartition("/")[2]
            if file_name in converted:
                continue
            start, member = 0, outer.get(file_name)
            if archive.split == "train":
                inside = outer[f"{file_name.partition('_')[0]}.tar"]
                start, member = inside.offset_data, _members(archive.path, inside).get(file_name)
            if member is None:
                raise DataError(f"{record.name} is not in {archive.path}")
            file.seek(start + member.offset_data)
            if _sum(file.read(member.size)) != _sum(bytes(record.image)):
                raise DataError(f"{record.name} differs from {file_name} in {archive.path}; prepare it anew")
            compared += 1
    return compared


def _sum(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _converted() -> frozenset[str]:
    """The few images that TFDS stores as other bytes: CMYK, and a PNG that is called a JPEG."""
    from tensorflow_datasets.datasets.imagenet2012 import imagenet2012_dataset_builder as code

    return frozenset([*code.CMYK_IMAGES, *code.PNG_IMAGES])
