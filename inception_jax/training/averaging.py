"""Averages of parameters and batch statistics over the updates."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from inception_jax.config import Average


def decay_at(updates: jax.typing.ArrayLike, config: Average) -> jax.Array:
    """Weight of the old average at the update that `updates` others came before, float32.

    Exponential with `ramp`: min(decay, (1 + n) / (10 + n)), as `tf.train.ExponentialMovingAverage(decay, num_updates)`.

    Uniform: k / (k + 1) where k updates have been averaged, so that every one of them has the same weight in the end
    (Polyak and Juditsky 1992).
    """
    if config.name == "uniform":
        k = jnp.maximum(jnp.asarray(updates) - config.start_step, 0).astype(jnp.float32)
        return k / (k + 1)
    decay = jnp.float32(config.decay)
    if not config.ramp:
        return decay
    n = jnp.asarray(updates, jnp.float32)
    return jnp.minimum(decay, (1 + n) / (10 + n))


def move(average: Any, values: Any, updates: jax.typing.ArrayLike, config: Average) -> Any:
    """decay * average + (1 - decay) * values, leaf by leaf."""
    return optax.incremental_update(values, average, 1 - decay_at(updates, config))
