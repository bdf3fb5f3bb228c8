"""What a public network's weights expect of an image, as data that travels with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inception_jax.config import Data, resolve
from inception_jax.data.decode import decode
from inception_jax.data.eval_resize import evaluation_image

Colour = tuple[float, float, float]
"""One number for each of red, green and blue, on the scale of pixels: 0 to 255."""


@dataclass(frozen=True)
class Preprocessing:
    """From an image to the network's input, `(pixels - mean) / std`, RGB [size, size, 3].

    Attributes:
      size: pixels of a side of the input.
      resize: the rules by which the image is cut and resized, as `data.eval_resize`.
      crop: share of each side that is kept, as `data.eval_crop`.
      side: pixels of the resized image's shorter side, as `data.eval_side`.
      interpolation: of resize `central`, which has a choice.
      mean: of each colour, subtracted.
      std: of each colour, divided by.
    """

    size: int
    resize: str = "central"
    crop: float = 0.875
    side: int = 0
    interpolation: str = "bilinear"
    mean: Colour = (127.5, 127.5, 127.5)
    std: Colour = (127.5, 127.5, 127.5)


def as_data_fields(preprocessing: Preprocessing) -> dict[str, Any]:
    """The fields of section `data` of a config that say the same; the others of the section stay as they are."""
    fields = {
        "image_size": preprocessing.size,
        "eval_resize": preprocessing.resize,
        "eval_crop": preprocessing.crop,
        "eval_side": preprocessing.side,
        "mean": preprocessing.mean,
        "std": preprocessing.std,
    }
    if preprocessing.resize == "central":
        fields["interpolation"] = preprocessing.interpolation
    return fields


def of_data(data: Data) -> Preprocessing:
    """What weights that were trained and evaluated by `data` expect."""
    return Preprocessing(
        data.image_size, data.eval_resize, data.eval_crop, data.eval_side, data.interpolation, data.mean, data.std
    )


def read(image: bytes, preprocessing: Preprocessing) -> np.ndarray:
    """An encoded image as the network's pixels, uint8 [size, size, 3], before `data.photometric.normalise`.

    Raises:
      ConfigError: the preprocessing is none that is known here.
      DecodeError: not a readable image.
      TooLong: so narrow an image that resizing it would fill the memory.
    """
    return evaluation_image(decode(image), resolve({"data": as_data_fields(preprocessing)}).data)


SLIM = Preprocessing(299, "slim")
SLIM_224 = Preprocessing(224, "slim")
# Keras counts as TF-slim the weights that it took from there, but loads images otherwise
KERAS = Preprocessing(299, "keras")
# torchvision normalises by ImageNet's statistics, and the networks that Google trained undo it: [-1, 1] again
TORCHVISION_GOOGLENET = Preprocessing(224, "torchvision", side=256)
TORCHVISION_V3 = Preprocessing(299, "torchvision", side=342)
TIMM = Preprocessing(299, "timm")
TIMM_RESNET = replace(TIMM, crop=0.8975)
TIMM_GLUON = replace(TIMM, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
# the mean is published as blue, green, red
CAFFE = Preprocessing(224, "caffe", side=256, mean=(123.0, 117.0, 104.0), std=(1.0, 1.0, 1.0))
CADENE = Preprocessing(224, "torchvision", side=256, mean=(128.0, 117.0, 104.0), std=(1.0, 1.0, 1.0))
FACENET = Preprocessing(160, "facenet", std=(128.0, 128.0, 128.0))
