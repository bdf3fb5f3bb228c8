"""Exact classification metrics: integer counts and a loss sum over the rows that are not padding."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax


def rank(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """How many classes stand before the label, int32 [B]; 0 is a top-1 hit, below 5 a top-5 hit.

    Equal scores are ordered by class index, so constant logits do not hit everywhere; NaN stands
    before every number and a label whose own score is NaN comes last.

    Args:
      logits: float [B, K].
      labels: int32 [B], each in [0, K).
    """
    score = jnp.take_along_axis(logits, labels[:, None], axis=1)
    classes = jnp.arange(logits.shape[1])
    behind = (logits < score) | ((logits == score) & (classes >= labels[:, None]))
    return (~behind).sum(axis=1, dtype=jnp.int32)


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
    """`loss` (float32), `top1`, `top5` and `images` (int32) summed over the rows of `mask`, bool [B].

    The loss is the plain cross-entropy in nats: no label smoothing, no auxiliary classifier, no L2.
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), labels)
    return {
        "loss": jnp.where(mask, losses, 0.0).sum(),
        **hits(logits, labels, mask),
        "images": mask.sum(dtype=jnp.int32),
    }
