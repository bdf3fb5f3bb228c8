"""Which part of an image the network sees, resized to a square. Arrays are uint8 [H, W, 3]."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

# The pipeline decodes on threads of its own; a second pool under every resize would only contend with it.
cv2.setNumThreads(0)

_METHODS = {
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
    "bicubic": cv2.INTER_CUBIC,
}
_ATTEMPTS = 10


class Box(NamedTuple):
    """A rectangle, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def scaled(self, old: tuple[int, int], new: tuple[int, int]) -> Box:
        """The same part of the same image at another (height, width)."""
        top, height = _scale(self.top, self.height, old[0], new[0])
        left, width = _scale(self.left, self.width, old[1], new[1])
        return Box(top, left, height, width)

    def cut(self, image: np.ndarray) -> np.ndarray:
        """A view of that part of an image."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def _scale(start: int, length: int, old: int, new: int) -> tuple[int, int]:
    first = min(round(start * new / old), new - 1)
    last = max(round((start + length) * new / old), first + 1)
    return first, last - first


def random_box(
    height: int, width: int, rng: np.random.Generator, area: tuple[float, float], aspect: tuple[float, float]
) -> Box:
    """A training patch (Going Deeper with Convolutions, section 6).

    The area is uniform in `area` (a share of the image). The aspect ratio width / height is log-uniform in
    `aspect`, so that a ratio is as likely as its inverse. A patch that does not fit is drawn again; after
    ten attempts the largest central patch whose aspect is in range is taken, whatever its area.
    """
    for _ in range(_ATTEMPTS):
        target = rng.uniform(*area) * height * width
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        box_width, box_height = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < box_width <= width and 0 < box_height <= height:
            top = int(rng.integers(height - box_height + 1))
            left = int(rng.integers(width - box_width + 1))
            return Box(top, left, box_height, box_width)
    box_width = max(1, min(width, round(height * aspect[1])))
    box_height = max(1, min(height, round(width / aspect[0])))
    return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def random_shift(image: np.ndarray, shift: float, rng: np.random.Generator) -> np.ndarray:
    """Moves an image by up to `shift` of its sides, uniformly; black comes in at the edges."""
    height, width = image.shape[:2]
    rows, columns = round(shift * height), round(shift * width)
    padded = cv2.copyMakeBorder(image, rows, rows, columns, columns, cv2.BORDER_CONSTANT)
    top, left = int(rng.integers(2 * rows + 1)), int(rng.integers(2 * columns + 1))
    return padded[top : top + height, left : left + width]


def resize(image: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    """Resizes to uint8 [size, size, 3]; the aspect ratio is not kept.

    Args:
      image: uint8 [H, W, 3].
      size: in pixels.
      interpolation: bilinear, area, nearest or bicubic. As in OpenCV: pixel centres at one half, and no
        antialiasing except by `area`.
    """
    if image.shape[:2] == (size, size):
        return np.ascontiguousarray(image)
    return cv2.resize(image, (size, size), interpolation=_METHODS[interpolation])


def pick_interpolation(interpolation: str, rng: np.random.Generator) -> str:
    """Draws one of the four methods for `random` (Going Deeper with Convolutions, section 6)."""
    return str(rng.choice(list(_METHODS))) if interpolation == "random" else interpolation


def central(image: np.ndarray, size: int, fraction: float, interpolation: str) -> np.ndarray:
    """The single evaluation crop of TF-slim: the central `fraction` of each side, resized to a square.

    Args:
      image: uint8 [H, W, 3].
      size: of the result, in pixels.
      fraction: of each side, in (0, 1]; 0.875 keeps 77 % of the area.
      interpolation: as `resize`; `random`, a choice for training, means bilinear here.

    Returns:
      uint8 [size, size, 3].
    """
    height, width = image.shape[:2]
    top, left = int((height - height * fraction) / 2), int((width - width * fraction) / 2)
    box = Box(top, left, height - 2 * top, width - 2 * left)
    return resize(box.cut(image), size, "bilinear" if interpolation == "random" else interpolation)
