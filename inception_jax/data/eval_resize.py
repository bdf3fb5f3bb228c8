"""The single evaluation image as each public code base cuts it: named protocols, each exact to its library's pixels.

Networks lose up to a few points of accuracy when images are resized otherwise than their authors did. Every library
resizes a whole image decoded at full scale, so the protocols do too, except `central`, which is this project's own.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from inception_jax.config import Data
from inception_jax.data.crops import TooLong, central, central_box
from inception_jax.data.decode import MAX_PIXELS


def evaluation_image(pixels: np.ndarray, data: Data) -> np.ndarray:
    """The one image of protocol `single`.

    `data.eval_resize` names the rules. S is `data.image_size`, C `data.eval_crop`, and T `data.eval_side` or, if that
    is 0, S / C rounded down:

    - `central`: the central share C of each side, resized to S x S by OpenCV's `data.interpolation`. It computes as
      TF-slim does but for the grid of pixels, and can read a JPEG at a smaller scale.
    - `slim`: TF-slim. The same crop, resized by TensorFlow 1's bilinear rule: corners of the grids coincide, and
      nothing is antialiased. (TensorFlow also decodes JPEG by a faster and coarser method than all others: seen on
      25 photographs, its values are 1.2 away on average and 22 at most. Here it is the exact one.)
    - `torchvision`: the shorter side becomes T, by Pillow's antialiased bilinear filter; then the central S x S.
    - `timm`: as torchvision, by Pillow's bicubic filter.
    - `keras`: the whole image to S x S by Pillow's nearest pixel, which is what `keras.utils.load_img` does.
    - `caffe`: the whole image to T x T by OpenCV's bilinear rule, which is what `convert_imageset` stores; then the
      central S x S.
    - `facenet`: the whole image, a face that is cut out already, to S x S by Pillow's bilinear filter.

    Args:
      pixels: uint8 [H, W, 3], RGB, at full scale.
      data: see above.

    Returns:
      uint8 [S, S, 3].

    Raises:
      TooLong: the resized image would have more than `decode.MAX_PIXELS`.
    """
    size = data.image_size
    height, width = pixels.shape[:2]
    match data.eval_resize:
        case "central":
            return central(pixels, size, data.eval_crop, data.interpolation)
        case "slim":
            return _tensorflow_bilinear(central_box(height, width, data.eval_crop).cut(pixels), size)
        case "torchvision":
            return _shorter_side(pixels, size, eval_side(data), Image.Resampling.BILINEAR)
        case "timm":
            return _shorter_side(pixels, size, eval_side(data), Image.Resampling.BICUBIC)
        case "keras":
            return _pillow(pixels, size, size, Image.Resampling.NEAREST)
        case "facenet":
            return _pillow(pixels, size, size, Image.Resampling.BILINEAR)
        case "caffe":
            side = eval_side(data)
            start = (side - size) // 2
            stored = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_LINEAR)
            return np.ascontiguousarray(stored[start : start + size, start : start + size])
    raise ValueError(f"no rule is called {data.eval_resize!r}")


def eval_side(data: Data) -> int:
    """Pixels of the resized image's shorter side, from which the central square is cut."""
    return data.eval_side or math.floor(data.image_size / data.eval_crop)


def _shorter_side(pixels: np.ndarray, size: int, side: int, filter: Image.Resampling) -> np.ndarray:
    height, width = pixels.shape[:2]
    long = int(side * max(height, width) / min(height, width))
    if side * long > MAX_PIXELS:
        raise TooLong(
            f"{width} x {height} pixels become {side * long} when the shorter side is resized to {side}, "
            f"more than the {MAX_PIXELS} that are allowed"
        )
    height, width = (long, side) if height > width else (side, long)
    # a half pixel goes to the even neighbour: torchvision and timm round as Python does
    top, left = round((height - size) / 2), round((width - size) / 2)
    resized = _pillow(pixels, height, width, filter)
    return np.ascontiguousarray(resized[top : top + size, left : left + size])


def _pillow(pixels: np.ndarray, height: int, width: int, filter: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), filter))


def _tensorflow_bilinear(pixels: np.ndarray, size: int) -> np.ndarray:
    """`tf.compat.v1.image.resize_bilinear(align_corners=False)`, rounded to whole numbers (TF-slim keeps fractions)."""
    top, bottom, down = _taps(pixels.shape[0], size)
    left, right, across = _taps(pixels.shape[1], size)
    image = pixels.astype(np.float32)
    rows = image[:, left] + (image[:, right] - image[:, left]) * across[:, None]
    resized = rows[top] + (rows[bottom] - rows[top]) * down[:, None, None]
    return np.rint(resized).astype(np.uint8)


def _taps(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each new pixel its two old ones and the weight of the second, in single precision as TensorFlow has it."""
    place = np.arange(size, dtype=np.float32) * (np.float32(length) / np.float32(size))
    first = np.floor(place).astype(np.int64)
    return first, np.minimum(first + 1, length - 1), place - first.astype(np.float32)
