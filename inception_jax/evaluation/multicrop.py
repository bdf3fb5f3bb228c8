"""Several views of an image as one answer (Going Deeper with Convolutions, section 7).

The host sends squares (`data.crops.Views`); here they are cut and mirrored, on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from inception_jax.data.crops import Views


def cut(batch: Mapping[str, jax.Array], views: Views) -> jax.Array:
    """The views of every square, before mirroring, uint8 [Q, B, V, S, S, 3].

    Q counts the squares of an image, scale by scale from the first, in each left to right or top to bottom. V
    counts the views of a square: its corners (top left, top right, bottom left, bottom right), its centre (half a
    pixel towards the top left where the remainder is odd) and, where `views.whole`, all of it.

    Args:
      batch: what `views.cut` makes of B images, stacked.
      views: the protocol; S is `views.size`.
    """
    size, squares = views.size, []
    for i, scale in enumerate(views.scales):
        far = scale - size
        corners = [(0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)]
        for j in range(views.squares):
            square = batch[f"squares_{i}"][:, j]
            parts = [square[:, top : top + size, left : left + size] for top, left in corners]
            if views.whole:
                parts.append(batch["whole"][:, i * views.squares + j])
            squares.append(jnp.stack(parts, axis=1))
    return jnp.stack(squares)


def with_mirrors(images: jax.Array) -> jax.Array:
    """[B, V, S, S, 3] and, behind them, their mirrors left to right, [B, 2 V, S, S, 3]."""
    return jnp.concatenate([images, images[:, :, :, ::-1]], axis=1)


def view_logits(classify: Callable[[jax.Array], jax.Array], batch: Mapping[str, jax.Array], views: Views) -> jax.Array:
    """The network's answer to every view, float [Q, B, 2 V, K]: per square the views of `cut`, then their mirrors.

    The squares pass through the network one after the other, so that it holds B x `views.per_square` images at a
    time and is compiled once.

    Args:
      classify: pixels, uint8 [N, S, S, 3], to logits [N, K].
      batch: see `cut`.
      views: see `cut`.
    """

    def of_one_square(images: jax.Array) -> jax.Array:
        images = with_mirrors(images)
        # The images of the batch lie over the devices: with them in front, joining the two axes moves nothing.
        logits = classify(images.reshape(-1, *images.shape[2:]))
        return logits.reshape(*images.shape[:2], -1)

    return jax.lax.map(of_one_square, cut(batch, views))


def combine(logits: jax.Array, average: str, axis: int | tuple[int, ...]) -> jax.Array:
    """One answer from those of several views, float32, as logits: their softmax gives probabilities.

    Args:
      logits: float, with the views along `axis`.
      average: `probabilities`, the mean of the softmax over views, which the papers use; `logits`, the mean before
        it; or `max`, the largest probability of each class over views (not summing to 1 before the last softmax),
        which GoogLeNet's authors found to be worse.
      axis: see `logits`.

    Raises:
      ValueError: an unknown average.
    """
    logits = logits.astype(jnp.float32)
    match average:
        case "probabilities":
            # The sum's logarithm: a class far below the first keeps its place instead of rounding to zero, and the
            # number of views only shifts all classes alike.
            return jax.nn.logsumexp(jax.nn.log_softmax(logits), axis=axis)
        case "logits":
            return logits.mean(axis)
        case "max":
            return jax.nn.log_softmax(logits).max(axis)
    raise ValueError(f"average must be probabilities, logits or max, got {average!r}")
