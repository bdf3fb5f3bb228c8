"""Encoded images to upright uint8 RGB.

JPEG goes through libjpeg-turbo (simplejpeg), which can decode at n/8 of the size from fewer DCT
coefficients; every other format and colour space goes through Pillow.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import simplejpeg
from PIL import Image

from inception_jax.errors import UserError

MAX_PIXELS = 2**26
"""Images of more pixels are refused: a small file can claim any size."""

# Pillow loads its plugins at the first use, without a lock; the pipeline's first uses are on many threads.
Image.init()

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
_ORIENTATION = 0x0112
# What Pillow's parsers raise on damaged files (warnings: where the user has made them errors).
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)
# Complaints of libjpeg that cost no pixels; every other one means that some are lost.
_HARMLESS = ("extraneous bytes", "JFIF revision number")


class DecodeError(UserError, ValueError):
    """Bytes that are not a whole, readable image. The message says why."""


def size(data: bytes) -> tuple[int, int]:
    """The (height, width) of the upright image, in pixels, from the header alone.

    Raises:
      DecodeError: not an image, or one of more than `MAX_PIXELS`.
    """
    header = _jpeg_header(data)
    if header:
        height, width = header
    else:
        width, height = _open(data).size
    return (width, height) if _orientation(data) >= 5 else (height, width)


def decode(data: bytes, min_height: int = 0, min_width: int = 0) -> np.ndarray:
    """Decodes an image, turned upright as its EXIF orientation says.

    Grey is repeated over the channels, palettes are looked up, 16-bit values keep their high byte, CMYK is
    converted without a colour profile, and transparent pixels are laid over white, as viewers show them.

    Args:
      data: a JPEG, PNG, BMP, GIF (its first frame) or WebP file.
      min_height: with `min_width`, a JPEG may be decoded at a smaller scale that still reaches both, in
        pixels of the upright image. 0: the full size.
      min_width: see `min_height`.

    Returns:
      uint8 [H, W, 3].

    Raises:
      DecodeError: not an image, truncated or damaged, or of more than `MAX_PIXELS`.
    """
    orientation = _orientation(data)
    if orientation >= 5:
        min_height, min_width = min_width, min_height
    pixels = _decode_jpeg(data, min_height, min_width) if _jpeg_header(data) else _decode_any(data)
    return _turn(pixels, orientation)


def _jpeg_header(data: bytes) -> tuple[int, int] | None:
    """The stored (height, width) of a JPEG in a colour space that libjpeg-turbo converts to RGB, or None."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a header that claims no known colour space
        return None  # an unusual JPEG, or none: Pillow decides
    _check_pixels(int(height), int(width))
    return (int(height), int(width)) if colour_space in ("YCbCr", "RGB", "Gray") else None


def _decode_jpeg(data: bytes, min_height: int, min_width: int) -> np.ndarray:
    try:
        return simplejpeg.decode_jpeg(data, min_height=min_height, min_width=min_width)
    except ValueError as error:
        if any(complaint in str(error) for complaint in _HARMLESS):
            return _decode_any(data)
        raise DecodeError(f"damaged or truncated JPEG: {error}") from error


def _decode_any(data: bytes) -> np.ndarray:
    image = _open(data)
    try:
        image.load()
        if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip at 255
            grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
            return np.repeat(grey[:, :, None], 3, axis=2)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))
    except _PILLOW_ERRORS as error:
        raise DecodeError(f"damaged or truncated {image.format}: {error}") from error


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.UnidentifiedImageError as error:
        what = "damaged JPEG" if data.startswith(b"\xff\xd8") else "not an image" if data else "an empty file"
        raise DecodeError(f"{what} (known formats: {', '.join(_FORMATS)})") from error
    except _PILLOW_ERRORS as error:
        raise DecodeError(f"damaged image: {error}") from error
    _check_pixels(image.height, image.width)
    return image


def _check_pixels(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise DecodeError(f"{width} x {height} pixels are more than the {MAX_PIXELS} that are allowed")


def _orientation(data: bytes) -> int:
    """The EXIF orientation, 1 (upright) to 8."""
    # In a JPEG the EXIF block is the first segment, at most after JFIF's: most are spared a second parser.
    if data.startswith(b"\xff\xd8") and data.find(b"Exif\x00\x00", 0, 4096) < 0:
        return 1
    try:
        orientation = Image.open(io.BytesIO(data), formats=_FORMATS).getexif().get(_ORIENTATION, 1)
    except _PILLOW_ERRORS:
        return 1  # a damaged EXIF block says nothing about the pixels, which are judged when decoded
    return orientation if orientation in range(1, 9) else 1


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
