"""Flips and colour distortions, on the device.

Every image draws from its own seed, so that what happens to it depends neither on its neighbours nor on
its place in the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

Colour = tuple[float, float, float]
"""One number for each of red, green and blue."""

_BRIGHTNESS = 32 / 255
_SATURATION = (0.5, 1.5)
_HUE = 0.2
_CONTRAST = (0.5, 1.5)


class Draw(NamedTuple):
    """The random choices for each image of a batch; every field is [B].

    Attributes:
      flip: bool, whether to mirror.
      brightness: float32, added.
      saturation: float32, a factor.
      hue: float32, added, in turns of the colour circle.
      contrast: float32, a factor of the distance from the channel's mean.
      order: int32 in 0..3, which of TF-slim's orders the distortions take.
    """

    flip: jax.Array
    brightness: jax.Array
    saturation: jax.Array
    hue: jax.Array
    contrast: jax.Array
    order: jax.Array


def draw(seeds: jax.Array) -> Draw:
    """Every random choice, from one seed an image (uint32 [B])."""
    # The generator is named because a result must not depend on JAX's default.
    uniform = jax.vmap(lambda seed: jax.random.uniform(jax.random.key(seed, impl="threefry2x32"), (6,)))(seeds)
    flip, brightness, saturation, hue, contrast, order = uniform.T
    return Draw(
        flip=flip < 0.5,
        brightness=_between(brightness, -_BRIGHTNESS, _BRIGHTNESS),
        saturation=_between(saturation, *_SATURATION),
        hue=_between(hue, -_HUE, _HUE),
        contrast=_between(contrast, *_CONTRAST),
        order=jnp.floor(order * 4).astype(jnp.int32),
    )


def _between(uniform: jax.Array, low: float, high: float) -> jax.Array:
    return low + uniform * (high - low)


def normalise(images: ArrayLike, mean: Colour, std: Colour) -> jax.Array:
    """Pixels to what a network reads: `(images - mean) / std`.

    Args:
      images: uint8, or float32 in [0, 255], [..., H, W, 3].
      mean: of each colour, on the scale of pixels.
      std: of each colour, likewise; 127.5 for both gives [-1, 1].

    Returns:
      float32, of the shape of `images`.
    """
    # With 127.5 the numerator is an exact integer: unlike x / 127.5 - 1 this ends at 1 even where XLA multiplies by
    # 1 / 255.
    doubled = 2 * jnp.asarray(images).astype(jnp.float32)
    return (doubled - 2 * jnp.array(mean, jnp.float32)) / (2 * jnp.array(std, jnp.float32))


def augment(
    images: jax.Array, seeds: jax.Array, *, flip: bool, distortion: str, mean: Colour, std: Colour
) -> jax.Array:
    """Mirrors half of the images and distorts their colours, as TF-slim's Inception preprocessing.

    Going Deeper with Convolutions (section 6) names the photometric distortions of A. Howard (2013);
    TF-slim gives their ranges: brightness +-32/255 and saturation 0.5 to 1.5 (`fast`), and also hue +-0.2
    and contrast 0.5 to 1.5 (`full`), on values in [0, 1], in one of four orders drawn for each image, and
    clipped once at the end.

    Args:
      images: uint8 [B, H, W, 3].
      seeds: uint32 [B].
      flip: whether to mirror half of the images, left to right.
      distortion: `none`, `fast` or `full`.
      mean: see `normalise`.
      std: see `normalise`.

    Returns:
      float32 [B, H, W, 3], normalised.

    Raises:
      ValueError: an unknown distortion.
    """
    if distortion not in ("none", "fast", "full"):
        raise ValueError(f"distortion must be none, fast or full, got {distortion!r}")
    choice = draw(seeds)
    if flip:
        images = jnp.where(choice.flip[:, None, None, None], images[:, :, ::-1], images)
    if distortion == "none":
        return normalise(images, mean, std)
    distorted = _distort(images.astype(jnp.float32) / 255, choice, full=distortion == "full")
    return normalise(255 * jnp.clip(distorted, 0, 1), mean, std)


def _distort(x: jax.Array, choice: Draw, *, full: bool) -> jax.Array:
    """Brightness (B), saturation (S), hue (H) and contrast (C) in the order drawn.

    TF-slim's orders are 0: BSHC, 1: SBCH, 2: CHBS, 3: HSCB. H commutes with B and S, and B with C, exactly:
    a shift keeps hues, saturation keeps hues, and contrast keeps a shift of the mean. So they equal
    0: BSHC, 1: SBCH, 2: CBSH, 3: SHBC, and all four are parts of the one sequence C B S H B C H, in which
    an image skips a distortion by taking its neutral parameter.
    """

    def used(*orders: int) -> jax.Array:
        return jnp.isin(choice.order, jnp.array(orders))

    def brighten(x: jax.Array, when: jax.Array) -> jax.Array:
        return x + _each(jnp.where(when, choice.brightness, 0))

    def contrast(x: jax.Array, when: jax.Array) -> jax.Array:
        mean = x.mean(axis=(1, 2), keepdims=True)
        return (x - mean) * _each(jnp.where(when, choice.contrast, 1)) + mean

    def turn_hue(x: jax.Array, when: jax.Array) -> jax.Array:
        return _turn_hue(x, _each(jnp.where(when, choice.hue, 0)))

    if not full:
        # TF-slim's fast mode draws among the same four orders, and only the first of them brightens first.
        x = brighten(x, used(0))
        x = _saturate(x, _each(choice.saturation))
        return brighten(x, used(1, 2, 3))
    x = contrast(x, used(2))
    x = brighten(x, used(0, 2))
    x = _saturate(x, _each(choice.saturation))
    x = turn_hue(x, used(0, 2, 3))
    x = brighten(x, used(1, 3))
    x = contrast(x, used(0, 1, 3))
    return turn_hue(x, used(1))


def _each(parameter: jax.Array) -> jax.Array:
    return parameter[:, None, None, None]


def _saturate(x: jax.Array, factor: jax.Array) -> jax.Array:
    """Scales the HSV saturation, at most to 1, keeping hue and value (the largest channel)."""
    value = x.max(axis=-1, keepdims=True)
    spread = value - x.min(axis=-1, keepdims=True)
    # Saturation is spread / value, so the factor that makes it 1 is value / spread.
    limit = jnp.maximum(value, 0) / jnp.where(spread > 0, spread, 1)
    return value - (value - x) * jnp.minimum(factor, limit)


def _turn_hue(x: jax.Array, turn: jax.Array) -> jax.Array:
    """Turns the HSV hue by a share of the circle, keeping the largest and the smallest channel."""
    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    value = jnp.maximum(jnp.maximum(red, green), blue)
    spread = value - jnp.minimum(jnp.minimum(red, green), blue)
    divisor = jnp.where(spread > 0, spread, 1)
    # Channels are compared with each other, never for equality with their maximum: where a compiler computes
    # the two apart, they may round apart.
    sixths = jnp.where(
        (red >= green) & (red >= blue),
        (green - blue) / divisor,
        jnp.where(green >= blue, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sixths = sixths + 6 * turn[..., 0]
    # The hexagon of HSV: each channel falls from the largest to the smallest value and rises again.
    distance = (sixths[..., None] + jnp.array([5.0, 3.0, 1.0])) % 6
    fall = jnp.clip(jnp.minimum(distance, 4 - distance), 0, 1)
    return value[..., None] - spread[..., None] * fall
