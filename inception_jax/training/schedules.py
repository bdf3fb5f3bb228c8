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
    """Learning rate of update n, counted from 0: cold epochs, a linear rise, then the shape named in the config.

    The shape starts where the warm-up ends: a staircase holds the peak for `decay_epochs` after it, a cosine or
    Caffe's `poly` spans the updates that are left. With `overlay` it counts from the first update on, and the warm-up
    takes the place of its beginning. `final_fraction` is a floor of the shape, not of the warm-up.

    Args:
      config: the experiment.
      images: length of the training split, which gives the updates of an epoch.
    """
    peak, schedule = config.optimizer.learning_rate, config.schedule
    cold, rise = (
        in_steps(epochs, images, config.batch_size) for epochs in (schedule.cold_epochs, schedule.warmup_epochs)
    )
    first = 0 if schedule.overlay else cold + rise
    shape = _shape(config, images, max(training_steps(config, images) - first, 1))
    if not cold + rise:
        return shape
    low = peak * schedule.cold_fraction if cold else 0.0
    ramp = optax.linear_schedule(low, peak, rise, cold) if rise else optax.constant_schedule(low)

    def with_warmup(count: jax.typing.ArrayLike) -> jax.Array:
        count = jnp.asarray(count)
        return jnp.where(count < cold + rise, ramp(count), shape(count - first))

    return with_warmup


def of_pushes(schedule: optax.Schedule, config: Config) -> optax.Schedule:
    """The schedule for an update rule that counts its own updates, of which each may be of several steps' gradients."""
    n_push = config.parallelism.n_push
    return schedule if n_push == 1 else lambda count: schedule(count * n_push)


def _shape(config: Config, images: int, length: int) -> optax.Schedule:
    """The schedule after the warm-up, over `length` updates."""
    peak, schedule = config.optimizer.learning_rate, config.schedule
    floor = peak * schedule.final_fraction
    match schedule.name:
        case "constant":
            return optax.constant_schedule(peak)
        case "cosine":
            return optax.cosine_decay_schedule(peak, length, alpha=schedule.final_fraction)
        case "poly":
            # A learning rate of (peak - floor) (1 - n / length)^power + floor.
            return optax.polynomial_schedule(peak, floor, schedule.power, length)
    every = schedule.decay_steps or in_steps(schedule.decay_epochs, images, config.batch_size)
    if schedule.name == "staircase":
        return _staircase(peak, schedule.decay_factor, every, floor)
    return optax.exponential_decay(peak, every, schedule.decay_factor, end_value=floor)


def _staircase(peak: float, factor: float, every: int, floor: float) -> optax.Schedule:
    # optax's own staircase floors a float32 quotient; the integer quotient is exact at every boundary.
    def schedule(count: jax.typing.ArrayLike) -> jax.Array:
        drops = jnp.asarray(count) // every
        return jnp.maximum(peak * jnp.float32(factor) ** drops, floor)

    return schedule
