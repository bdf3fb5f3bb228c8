"""A miniature ILSVRC2012 in the official layout: a tar of tars for training, a tar of images for validation."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("n01440764", "n01443537", "n01751748", "n09193705")
"""Two for training alone; the last two are also those of the first images of the real validation set."""


def photographs(count: int, folder: Path | None = None) -> list[bytes]:
    """JPEGs: real ones of `folder`, or smooth noise of photographs' sizes where there is none."""
    if folder and (found := sorted(folder.rglob("*.JPEG"))):
        return [found[i % len(found)].read_bytes() for i in range(count)]
    rng, made = np.random.default_rng(0), []
    for i in range(count):
        height, width = (60, 80) if i % 3 else (80, 60)
        coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


def write(folder: Path, *, per_class: int = 4, validation: int = 6, photos: Path | None = None) -> dict[str, bytes]:
    """Writes ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar; returns every image by its file name."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = iter(photographs(per_class * len(CLASSES) + validation, photos))
    images: dict[str, bytes] = {}
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as outer:
        for wnid in CLASSES:
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for i in range(per_class):
                    images[name := f"{wnid}_{i + 1}.JPEG"] = next(pictures)
                    _add(tar, name, images[name])
            _add(outer, f"{wnid}.tar", inner.getvalue())
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as tar:
        for i in range(validation, 0, -1):  # the official one is in no order
            images[name := f"ILSVRC2012_val_{i:08}.JPEG"] = next(pictures)
            _add(tar, name, images[name])
    return images


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
