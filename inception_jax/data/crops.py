"""Which part of an image the network sees, resized to a square. Arrays are uint8 [H, W, 3]."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from inception_jax.config import Config, view_scales
from inception_jax.data.box import Box
from inception_jax.data.decode import MAX_PIXELS
from inception_jax.errors import UserError

# The pipeline decodes on threads of its own; a second pool under every resize would only contend with it.
cv2.setNumThreads(0)

_METHODS = {
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
    "bicubic": cv2.INTER_CUBIC,
}
METHODS = tuple(_METHODS)
"""Names of the ways to resize."""


class TooLong(UserError, ValueError):
    """An image so narrow that it would fill the memory when its shorter side is resized."""


def resize(image: np.ndarray, size: int, interpolation: str, out: np.ndarray | None = None) -> np.ndarray:
    """Resizes to uint8 [size, size, 3]; the aspect ratio is not kept.

    Args:
      image: uint8 [H, W, 3].
      size: in pixels.
      interpolation: bilinear, area, nearest or bicubic. As in OpenCV: pixel centres at one half, and no
        antialiasing except by `area`.
      out: uint8 [size, size, 3], where the result may be written instead of into new memory.
    """
    if image.shape[:2] == (size, size):
        return np.ascontiguousarray(image)
    return cv2.resize(image, (size, size), dst=out, interpolation=_METHODS[interpolation])


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
    return resize(central_box(height, width, fraction).cut(image), size, _fixed(interpolation))


def central_box(height: int, width: int, fraction: float) -> Box:
    """The central `fraction` of each side, rounded as `tf.image.central_crop`."""
    top, left = int((height - height * fraction) / 2), int((width - width * fraction) / 2)
    return Box(top, left, height - 2 * top, width - 2 * left)


def _fixed(interpolation: str) -> str:
    return "bilinear" if interpolation == "random" else interpolation


class Views(NamedTuple):
    """The test-time views of an image that have several: of every square the corners and the centre, and mirrors.

    Going Deeper with Convolutions, section 7: the shorter side takes each of four `scales`; of each, three
    squares (left, centre and right, or top, centre and bottom); of each, four corners and the centre of `size`
    pixels and the whole square resized to that; of each, its mirror. That is 4 x 3 x 6 x 2 = 144 views. Here the
    host makes the squares, and `evaluation.multicrop` cuts and mirrors on the device.

    Attributes:
      size: side of a view, in pixels.
      scales: shorter sides of the resized image, in pixels, none below `size`.
      squares: of each scale: 3, or 1 for the centre.
      whole: whether the whole square, resized, is a view.
      warp: the one square of a scale is the whole image, its aspect ratio lost.
    """

    size: int
    scales: tuple[int, ...]
    squares: int = 1
    whole: bool = False
    warp: bool = False

    @property
    def per_square(self) -> int:
        """Views of one square, mirrors included."""
        return 2 * (5 + self.whole)

    @property
    def count(self) -> int:
        """Views of one image."""
        return len(self.scales) * self.squares * self.per_square

    def cut(self, image: np.ndarray, interpolation: str) -> dict[str, np.ndarray]:
        """What the host sends of one image.

        Args:
          image: uint8 [H, W, 3].
          interpolation: as `resize`; `random` means bilinear here.

        Returns:
          `squares_0`, `squares_1`, ...: uint8 [squares, s, s, 3] of each scale s; and, where `whole`, `whole`:
          uint8 [scales * squares, size, size, 3], the same squares resized, scale by scale.

        Raises:
          TooLong: the resized image would have more than `decode.MAX_PIXELS`.
        """
        method = _fixed(interpolation)
        cut = [_squares(image, scale, self.squares, self.warp, method) for scale in self.scales]
        sent = {f"squares_{i}": squares for i, squares in enumerate(cut)}
        if self.whole:
            sent["whole"] = np.stack([resize(square, self.size, method) for squares in cut for square in squares])
        return sent


def views_of(config: Config) -> Views | None:
    """The views of `config.evaluation.protocol`; None for `single`, which is `central`."""
    size, scales, evaluation = config.data.image_size, view_scales(config), config.evaluation
    match evaluation.protocol:
        case "10":
            return Views(size, scales, warp=evaluation.square == "warp")
        case "12":
            return Views(size, scales, whole=True, warp=evaluation.square == "warp")
        case "144":
            return Views(size, scales, squares=3, whole=True)
    return None


def _squares(image: np.ndarray, scale: int, count: int, warp: bool, method: str) -> np.ndarray:
    """Squares of the image whose shorter side is resized to `scale`: its centre, or both ends too, uint8 [n, s, s, 3].

    Odd remainders are rounded down: a centre lies at most half a pixel towards the top or left.
    """
    if warp:
        return resize(image, scale, method)[None]
    height, width = image.shape[:2]
    short, long = min(height, width), max(height, width)
    length = round(long * scale / short)
    new_height, new_width = (length, scale) if height > width else (scale, length)
    if length * scale > MAX_PIXELS:
        raise TooLong(
            f"{width} x {height} pixels become {new_width} x {new_height} when the shorter side is resized, "
            f"more than the {MAX_PIXELS} that are allowed"
        )
    if (new_height, new_width) != (height, width):
        image = cv2.resize(image, (new_width, new_height), interpolation=_METHODS[method])
    starts = (0, (length - scale) // 2, length - scale) if count == 3 else ((length - scale) // 2,)
    return np.stack(
        [image[start : start + scale] if height > width else image[:, start : start + scale] for start in starts]
    )
