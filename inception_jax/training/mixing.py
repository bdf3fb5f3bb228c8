"""mixup and CutMix, on the device: each image takes a part of its neighbour, and of its label.

Rows 2 i and 2 i + 1 of the batch are neighbours, so that nothing moves between devices; batches are shuffled, so that
they are any two images. Each draws a share of its own from its seed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from inception_jax.config import Loss
from inception_jax.config.augment import Augment
from inception_jax.training.losses import classification_loss

_STREAM = 2  # apart from the draws of distortions and erasing


class Mixed(NamedTuple):
    """Images and what they are images of.

    Attributes:
      images: float32 [B, H, W, 3].
      labels: int32 [B], of the image itself.
      others: int32 [B], of its neighbour.
      share: float32 [B], of the image's own pixels.
    """

    images: jax.Array
    labels: jax.Array
    others: jax.Array
    share: jax.Array


def mix(images: jax.Array, labels: jax.Array, seeds: jax.Array, config: Augment) -> Mixed:
    """mixup (arXiv 1710.09412), CutMix (arXiv 1905.04899), or one of the two for each image where both are on.

    Args:
      images: float32 [B, H, W, 3], B even.
      labels: int32 [B].
      seeds: uint32 [B].
      config: the alphas, of which one at least is above 0.
    """

    def one(image: jax.Array, other: jax.Array, seed: jax.Array) -> tuple[jax.Array, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), _STREAM)
        which, blend_key, cut_key, place = jax.random.split(key, 4)
        if not config.cutmix:
            return _blend(image, other, blend_key, config.mixup)
        if not config.mixup:
            return _cut(image, other, cut_key, place, config.cutmix)
        blended = _blend(image, other, blend_key, config.mixup)
        cut = _cut(image, other, cut_key, place, config.cutmix)
        heads = jax.random.uniform(which) < 0.5
        return jax.tree.map(lambda a, b: jnp.where(heads, a, b), blended, cut)

    mixed, share = jax.vmap(one)(images, neighbours(images), seeds)
    return Mixed(mixed, labels, neighbours(labels), share)


def neighbours(rows: jax.Array) -> jax.Array:
    """Rows 2 i and 2 i + 1 exchanged, of an even number of them."""
    return rows.reshape(-1, 2, *rows.shape[1:])[:, ::-1].reshape(rows.shape)


def mixed_loss(output: Any, mixed: Mixed, loss: Loss) -> jax.Array:
    """Loss of each image, float32 [B]: that of both labels, in the shares of their pixels."""
    own = classification_loss(output, mixed.labels, loss)
    return mixed.share * own + (1 - mixed.share) * classification_loss(output, mixed.others, loss)


def _blend(image: jax.Array, other: jax.Array, key: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array]:
    share = jax.random.beta(key, alpha, alpha)
    return share * image + (1 - share) * other, share


def _cut(
    image: jax.Array, other: jax.Array, key: jax.Array, place: jax.Array, alpha: float
) -> tuple[jax.Array, jax.Array]:
    """A rectangle of the image's aspect and a drawn area, whose centre is anywhere; what lies outside is lost."""
    height, width = image.shape[:2]
    side = jnp.sqrt(1 - jax.random.beta(key, alpha, alpha))
    row, column = jax.random.uniform(place, (2,))
    rows = jnp.abs(jnp.arange(height) + 0.5 - row * height) < side * height / 2
    columns = jnp.abs(jnp.arange(width) + 0.5 - column * width) < side * width / 2
    inside = rows[:, None] & columns
    return jnp.where(inside[..., None], other, image), 1 - inside.mean()
