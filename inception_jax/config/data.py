"""Section `data`: which images, and how they are cut."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.config.fields import choice, number, value


@dataclass(frozen=True)
class Data:
    """Which images, and how they are cut."""

    source: str = value("digits", "`tfds:NAME`, `folder:PATH` or `digits`")
    data_dir: str = value("", "where TFDS keeps data sets; empty: TFDS_DATA_DIR, then the TFDS default", neutral=True)
    train_split: str = value("train", "a split, or a slice of one: `train[:95%]`")
    eval_split: str = value("validation", "the split that is watched while training")
    image_size: int = number(224, 1, 4096, "height and width fed to the network, in pixels")
    crop: str = choice(
        "inception",
        ("inception", "slim", "shift", "none"),
        "training crop: random area and aspect, drawn as the paper and torchvision do or as TF-slim; random shift; "
        "whole image",
    )
    area: tuple[float, float] = number((0.08, 1.0), 0.0, 1.0, "range of the crop's area, as a share of the image")
    aspect: tuple[float, float] = number((3 / 4, 4 / 3), 0.01, 100.0, "range of the crop's width / height")
    shift: float = number(0.125, 0.0, 0.5, "largest shift of `crop='shift'`, as a share of the side")
    seed: int = number(-1, -1, 2**31 - 1, "of order, crops and distortions; -1: `config.seed`")
    flip: bool = value(True, "mirror half of the training images")
    photometric: str = choice(
        "none", ("none", "fast", "full"), "colour distortion: slim's fast mode, or all four distortions"
    )
    eval_crop: float = number(0.875, 0.01, 1.0, "share of each side kept by the central evaluation crop")
    eval_resize: str = choice(
        "central",
        ("central", "slim", "torchvision", "timm", "keras", "caffe", "facenet"),
        "how the evaluation image is cut and resized: our own rule, or exactly that of a public code base",
        neutral=True,
    )
    eval_side: int = number(
        0,
        0,
        8192,
        "pixels of the shorter side from which `torchvision` and `timm` cut the centre, of both sides for `caffe`; "
        "0: image_size / eval_crop, rounded down",
        neutral=True,
    )
    mean: tuple[float, float, float] = number(
        (127.5, 127.5, 127.5), 0.0, 255.0, "of red, green and blue, subtracted from pixels of 0 to 255"
    )
    std: tuple[float, float, float] = number((127.5, 127.5, 127.5), 0.01, 1e4, "by which the difference is divided")
    interpolation: str = choice("bilinear", ("bilinear", "area", "nearest", "bicubic", "random"), "resize method")
    threads: int = number(0, 0, 1024, "decoding threads of one host; 0: one a core", neutral=True)
    prefetch: int = number(4, 1, 1024, "batches decoded ahead of the step", neutral=True)
    timeout: float = number(
        600.0,
        0.0,
        86400.0,
        "seconds to wait for a batch before the run ends, naming the records that are being read; 0: for ever",
        neutral=True,
    )
