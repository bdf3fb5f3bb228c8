"""What a public network's weights expect of an image, as data that travels with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

Colour = tuple[float, float, float]
"""One number for each of red, green and blue, on the scale of pixels: 0 to 255."""


@dataclass(frozen=True)
class Preprocessing:
    """From an image to the network's input, `(pixels - mean) / std`, RGB [size, size, 3].

    Attributes:
      size: pixels of a side of the input.
      crop: central share of each side that is kept, and resized to a square.
      shorter_side: where it is above 0 the aspect ratio is kept instead: the image's shorter side is resized to so
        many pixels, and the central square of `size` is kept.
      interpolation: how images are resized.
      mean: of each colour, subtracted.
      std: of each colour, divided by.
    """

    size: int
    crop: float = 0.875
    shorter_side: int = 0
    interpolation: str = "bilinear"
    mean: Colour = (127.5, 127.5, 127.5)
    std: Colour = (127.5, 127.5, 127.5)


SLIM = Preprocessing(299)
SLIM_224 = Preprocessing(224)
# torchvision normalises by ImageNet's statistics, and the networks that Google trained undo it: [-1, 1] again
TORCHVISION_GOOGLENET = Preprocessing(224, shorter_side=256)
TORCHVISION_V3 = Preprocessing(299, shorter_side=342)
TIMM = Preprocessing(299, shorter_side=341, interpolation="bicubic")
TIMM_RESNET = replace(TIMM, shorter_side=333)
TIMM_GLUON = replace(TIMM, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
# 224 of a stored 256x256; the mean is published as blue, green, red
CAFFE = Preprocessing(224, mean=(123.0, 117.0, 104.0), std=(1.0, 1.0, 1.0))
FACENET = Preprocessing(160, crop=1.0, std=(128.0, 128.0, 128.0))
