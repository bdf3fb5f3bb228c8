"""The training loss: softmax cross-entropy with label smoothing, on the main and the auxiliary classifiers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from inception_jax.config import Loss


def smoothed_cross_entropy(logits: jax.Array, labels: jax.Array, smoothing: float) -> jax.Array:
    """Cross-entropy with q(k) = (1 - smoothing) [k = label] + smoothing / K, in nats, float32 [B].

    Section 7 of arXiv 1512.00567.

    Args:
      logits: float [B, K].
      labels: int32 [B].
      smoothing: mass spread evenly over all K classes, the label among them.
    """
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits.astype(jnp.float32), targets)


def classification_loss(output: Any, labels: jax.Array, loss: Loss) -> jax.Array:
    """Loss of each image, float32 [B]: the classifier's plus `aux_weight` times that of each auxiliary one.

    Labels are smoothed for the auxiliary classifiers too, as the released TensorFlow trainers do.

    Args:
      output: of a network of `inception_jax.models` in training: `logits` [B, K] and `aux_logits`.
      labels: int32 [B].
      loss: `label_smoothing` and `aux_weight`.
    """
    total = smoothed_cross_entropy(output.logits, labels, loss.label_smoothing)
    for logits in output.aux_logits:
        total += loss.aux_weight * smoothed_cross_entropy(logits, labels, loss.label_smoothing)
    return total
