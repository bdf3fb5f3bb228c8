"""Simulated time: how long a worker takes for a gradient, and when it is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from inception_jax.config import Parallelism
from inception_jax.config.parallelism import read_times

_TIMES = 0x7135  # apart from dropout, which folds the step into the same seed's key


class Clock(struct.PyTreeNode):
    """Time since the start, as `whole` (int32) and `fraction` (float32): one float32 would stop counting."""

    whole: jax.Array
    fraction: jax.Array

    @classmethod
    def zero(cls) -> Clock:
        """The start."""
        return cls(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.float32))

    def after(self, elapsed: jax.Array) -> Clock:
        """The time `elapsed` later."""
        fraction = self.fraction + elapsed
        seconds = jnp.floor(fraction)
        return Clock(self.whole + seconds.astype(jnp.int32), fraction - seconds)

    def reading(self) -> jax.Array:
        """The time as one float32 number, to be printed."""
        return self.whole.astype(jnp.float32) + self.fraction


def duration(config: Parallelism, seed: jax.Array, worker: jax.Array, number: jax.Array) -> jax.Array:
    """The time that a worker's gradient takes, float32, in the unit of `config.times`.

    Args:
      config: the distribution.
      seed: of the run, uint32; with the two below it decides the time.
      worker: int32, from 0.
      number: int32, which of this worker's gradients, from 0.
    """
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), _TIMES), worker)
    own, each = jax.random.split(key)
    each = jax.random.fold_in(each, number)
    kind, shape = read_times(config.times)
    match kind:
        case "lognormal":
            time = jnp.exp(shape[0] * jax.random.normal(each) - shape[0] ** 2 / 2)
        case "exponential":
            time = 1 - shape[0] + shape[0] * jax.random.exponential(each)
        case "recorded":
            time = jax.random.choice(each, jnp.asarray(shape, jnp.float32))
        case _:
            time = jnp.float32(1)
    return time * jnp.exp(config.spread * jax.random.normal(own)) if config.spread else time
