"""RandAugment (arXiv 1909.13719) on the host, with Pillow's operations, as the paper's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

_GREY = (128, 128, 128)
"""Of pixels that come from outside."""

Operation = Callable[[Image.Image, float], Image.Image]


def randaugment(pixels: np.ndarray, operations: int, magnitude: float, rng: np.random.Generator) -> np.ndarray:
    """Applies `operations` of the fourteen one after the other, each drawn anew; those with a sign have either.

    Args:
      pixels: uint8 [H, W, 3].
      operations: the paper's N.
      magnitude: the paper's M, 0 to 10.
      rng: gives the operations and their signs.

    Returns:
      uint8 [H, W, 3].
    """
    image = Image.fromarray(pixels)
    names = list(OPERATIONS)
    for which, negative in zip(rng.integers(len(names), size=operations), rng.random(operations) < 0.5, strict=True):
        strength = magnitude / 10
        image = OPERATIONS[names[which]](image, -strength if negative else strength)
    return np.asarray(image)


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_GREY)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, strength: kind(image).enhance(1 + 0.9 * strength)


# Each takes a strength of -1 to 1; those without a sign, its size. The ranges are AutoAugment's (arXiv 1805.09501).
OPERATIONS: dict[str, Operation] = {
    "identity": lambda image, strength: image,
    "autocontrast": lambda image, strength: ImageOps.autocontrast(image),
    "equalize": lambda image, strength: ImageOps.equalize(image),
    "rotate": lambda image, strength: image.rotate(30 * strength, Image.Resampling.BILINEAR, fillcolor=_GREY),
    "solarize": lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    "posterize": lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "shear_x": lambda image, strength: _affine(image, 1, 0.3 * strength, 0, 0, 1, 0),
    "shear_y": lambda image, strength: _affine(image, 1, 0, 0, 0.3 * strength, 1, 0),
    "translate_x": lambda image, strength: _affine(image, 1, 0, 150 / 331 * strength * image.width, 0, 1, 0),
    "translate_y": lambda image, strength: _affine(image, 1, 0, 0, 0, 1, 150 / 331 * strength * image.height),
}
