"""Random erasing, on the device."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

_AREA = (0.02, 1 / 3)
_ASPECT = (0.3, 1 / 0.3)
_STREAM = 1  # apart from the draws of photometric distortions, which use the seed itself


def erase(images: jax.Array, seeds: jax.Array, share: float) -> jax.Array:
    """Fills one rectangle of some images with Gaussian noise (Random Erasing, arXiv 1708.04896).

    Area 2 to 33 % of the image, aspect 0.3 to 3.3, drawn logarithmically, anywhere in it; a side is cut to the image's.

    Args:
      images: float32 [B, H, W, 3], normalised.
      seeds: uint32 [B], one an image.
      share: of images that are erased.

    Returns:
      float32 [B, H, W, 3].
    """
    return jax.vmap(lambda image, seed: _erase(image, seed, share))(images, seeds)


def _erase(image: jax.Array, seed: jax.Array, share: float) -> jax.Array:
    height, width = image.shape[:2]
    key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), _STREAM)
    choices, noise = jax.random.split(key)
    chosen, area, aspect, top, left = jax.random.uniform(choices, (5,))
    pixels = (_AREA[0] + area * (_AREA[1] - _AREA[0])) * height * width
    ratio = jnp.exp(math.log(_ASPECT[0]) + aspect * math.log(_ASPECT[1] / _ASPECT[0]))  # width / height
    tall = jnp.clip(jnp.round(jnp.sqrt(pixels / ratio)), 1, height)
    wide = jnp.clip(jnp.round(jnp.sqrt(pixels * ratio)), 1, width)
    rows = jnp.arange(height) - jnp.floor(top * (height - tall + 1))
    columns = jnp.arange(width) - jnp.floor(left * (width - wide + 1))
    inside = ((rows >= 0) & (rows < tall))[:, None] & ((columns >= 0) & (columns < wide))
    return jnp.where((inside & (chosen < share))[..., None], jax.random.normal(noise, image.shape), image)
