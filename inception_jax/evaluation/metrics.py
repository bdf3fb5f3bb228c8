"""Exact classification metrics: integer counts and a loss sum over the rows that are not padding."""

from __future__ import annotations

import math
from statistics import NormalDist

import jax
import jax.numpy as jnp
import optax


def rank(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """How many classes stand before the label, int32 [B]; 0 is a top-1 hit, below 5 a top-5 hit.

    Equal scores are ordered by class index, so constant logits do not hit everywhere; NaN stands
    before every number and a label whose own score is NaN comes last. The label -1 comes behind all K classes.

    Args:
      logits: float [B, K].
      labels: int32 [B], each in [-1, K).
    """
    score = jnp.take_along_axis(logits, labels[:, None], axis=1)
    classes = jnp.arange(logits.shape[1])
    behind = (logits < score) | ((logits == score) & (classes >= labels[:, None]))
    return jnp.where(labels < 0, logits.shape[1], (~behind).sum(axis=1, dtype=jnp.int32))


def likeliest(logits: jax.Array, valid: jax.Array) -> jax.Array:
    """Of several valid labels the one that stands first, int32 [B].

    Args:
      logits: float [B, K].
      valid: bool [B, K], at least one of every row that counts.
    """
    lowest = jnp.finfo(logits.dtype).min
    # Above minus infinity, so that even a label without a number is preferred to one that is not valid.
    scores = jnp.where(jnp.isnan(logits), lowest, jnp.maximum(logits, lowest))
    return jnp.where(valid, scores, -jnp.inf).argmax(axis=1).astype(jnp.int32)


def hits(logits: jax.Array, labels: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """Rows where `mask` holds whose label is first (`top1`) or among the first five (`top5`), int32 scalars.

    With fewer than five classes `top5` counts all K, which every row without NaN hits.
    """
    ranks = rank(logits, labels)
    limit = min(5, logits.shape[1])
    return {
        "top1": (mask & (ranks < 1)).sum(dtype=jnp.int32),
        "top5": (mask & (ranks < limit)).sum(dtype=jnp.int32),
    }


def sums(logits: jax.Array, labels: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """`loss` (float32), `top1`, `top5`, `images` and `unreadable` (int32) summed over the rows of `mask`, bool [B].

    The loss is the plain cross-entropy in nats: no label smoothing, no auxiliary classifier, no L2. A row with the
    label -1 stands for an image that could not be read: it is an image, no hit, and has no loss.
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), jnp.maximum(labels, 0))
    return {
        "loss": jnp.where(mask & (labels >= 0), losses, 0.0).sum(),
        **hits(logits, labels, mask),
        "images": mask.sum(dtype=jnp.int32),
        "unreadable": (mask & (labels < 0)).sum(dtype=jnp.int32),
    }


def wilson(errors: int, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval, within [0, 1], in which the true error lies with `confidence` when `errors` of `images` were wrong.

    Wilson's score interval (1927), which unlike p +- 1.96 s stays in range and keeps its promise near 0 and 1.

    Args:
      errors: 0 to `images`.
      images: above 0, drawn independently.
      confidence: in (0, 1).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, shrink = errors / images, 1 + z * z / images
    centre = (share + z * z / (2 * images)) / shrink
    half = z * math.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2) / shrink
    # At none and at all of them an end is exact, which rounding would miss.
    return (centre - half if errors else 0.0), (centre + half if errors < images else 1.0)
