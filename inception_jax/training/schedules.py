"""Learning-rate schedules in steps, from a config that counts in epochs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from inception_jax.config import Config


def in_steps(epochs: float, images: int, batch_size: int) -> int:
    """The number of updates nearest to `epochs` passes over `images`, at least 1 unless `epochs` is 0."""
    return max(round(epochs * images / batch_size), 1) if epochs else 0


def training_steps(config: Config, images: int) -> int:
    """Length of training in updates: `steps`, or `epochs` passes over `images` training images."""
    return config.steps or in_steps(config.epochs, images, config.batch_size)


def make_schedule(config: Config, images: int) -> optax.Schedule:
    """Learning rate of update n, counted from 0: a linear rise from zero, then the shape named in the config.

    The shape starts where the warm-up ends: a staircase holds the peak for `decay_epochs` after it, a
    cosine spans the updates that are left. `final_fraction` is a floor of the shape, not of the warm-up.

    Args:
      config: the experiment.
      images: length of the training split, which gives the updates of an epoch.
    """
    peak, schedule = config.optimizer.learning_rate, config.schedule
    warmup = in_steps(schedule.warmup_epochs, images, config.batch_size)
    floor = peak * schedule.final_fraction
    if schedule.name == "cosine":
        left = max(training_steps(config, images) - warmup, 1)
        shape = optax.cosine_decay_schedule(peak, left, alpha=schedule.final_fraction)
    elif schedule.name == "constant":
        shape = optax.constant_schedule(peak)
    else:
        every = in_steps(schedule.decay_epochs, images, config.batch_size)
        if schedule.name == "staircase":
            shape = _staircase(peak, schedule.decay_factor, every, floor)
        else:
            shape = optax.exponential_decay(peak, every, schedule.decay_factor, end_value=floor)
    if not warmup:
        return shape
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), shape], [warmup])


def _staircase(peak: float, factor: float, every: int, floor: float) -> optax.Schedule:
    # optax's own staircase floors a float32 quotient; the integer quotient is exact at every boundary.
    def schedule(count: jax.typing.ArrayLike) -> jax.Array:
        drops = jnp.asarray(count) // every
        return jnp.maximum(peak * jnp.float32(factor) ** drops, floor)

    return schedule
