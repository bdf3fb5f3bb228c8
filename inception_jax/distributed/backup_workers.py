"""Synchronous SGD that does not wait for the slowest workers (arXiv 1604.00981, section 3)."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from inception_jax.config import Parallelism
from inception_jax.distributed.clock import duration


def fastest(
    batch: Mapping[str, jax.Array], config: Parallelism, seed: jax.Array, step: jax.Array
) -> tuple[dict[str, jax.Array], jax.Array]:
    """What the fastest `replicas` workers of a step read, and when the last of them is done.

    Worker i has the i-th part of the batch. What the others read is dropped here, before the network: so it reaches no
    gradient, no momentum and no batch statistics, and costs nothing to compute.

    Args:
      batch: arrays [B, ...], where B is a multiple of the workers.
      config: `replicas`, `backups` and the distribution of times.
      seed: of the run, uint32.
      step: int32, from 0.

    Returns:
      The batch [B replicas / (replicas + backups), ...] in the order of the workers, and the time, float32, since the
      step began.
    """
    workers = jnp.arange(config.workers)
    times = jax.vmap(lambda worker: duration(config, seed, worker, step))(workers)
    order = jnp.argsort(times)
    waited = times[order[config.replicas - 1]]
    if not config.backups:
        return dict(batch), waited
    counted = jnp.sort(order[: config.replicas])

    def of_counted(rows: jax.Array) -> jax.Array:
        parts = rows.reshape(config.workers, -1, *rows.shape[1:])
        return parts[counted].reshape(-1, *rows.shape[1:])

    return {name: of_counted(rows) for name, rows in batch.items()}, waited
