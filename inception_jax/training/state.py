"""Everything that changes while training, as one pytree on the devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.distributed.clock import Clock
from inception_jax.distributed.downpour import Replicas, all_at, replica_shardings
from inception_jax.distributed.mesh import state_shardings


class Metrics(struct.PyTreeNode):
    """Sums since the last row of metrics.jsonl, all scalars.

    `loss` and `gradient_norm` (float32) sum over `steps`, `top1` and `top5` count over `examples` (int32).
    `bad_step` is the first step, counted from 1, whose update was not finite; -1 if none. Of Downpour's gradients
    `staleness` (int32) is the sum over `steps`, and `oldest` the largest; else both are None.
    """

    loss: jax.Array
    gradient_norm: jax.Array
    top1: jax.Array
    top5: jax.Array
    examples: jax.Array
    steps: jax.Array
    bad_step: jax.Array
    staleness: jax.Array | None = None
    oldest: jax.Array | None = None

    @classmethod
    def zeros(cls, *, stale: bool = False) -> Metrics:
        """Nothing summed yet; `stale`: with the staleness of gradients."""
        floats = {name: jnp.zeros((), jnp.float32) for name in ("loss", "gradient_norm")}
        counts = {name: jnp.zeros((), jnp.int32) for name in ("top1", "top5", "examples", "steps")}
        if stale:
            counts |= {name: jnp.zeros((), jnp.int32) for name in ("staleness", "oldest")}
        return cls(**floats, **counts, bad_step=jnp.full((), -1, jnp.int32))


class TrainState(struct.PyTreeNode):
    """`step` (int32, updates made), `seed` (uint32), float32 `params` and `batch_stats`, `opt_state`, sums for the log.

    `average` holds the moving averages of both, `{"params": ..., "batch_stats": ...}`, or None. Where workers are
    simulated, `clock` tells their time; of Downpour, `replicas` are the workers and all else is the server's.
    """

    step: jax.Array
    seed: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    average: Any
    metrics: Metrics
    clock: Clock | None = None
    replicas: Replicas | None = None

    def variables(self) -> dict[str, Any]:
        """What evaluation uses: the averages if there are any."""
        return self.average or {"params": self.params, "batch_stats": self.batch_stats}


def init_state(network: nn.Module, config: Config, optimizer: optax.GradientTransformation, mesh: Mesh) -> TrainState:
    """The state before the first step, laid out as `config.mesh` asks; a function of `config.seed` alone."""
    # It runs once: on the CPU, optimising the code of a hundred samplers takes longer than running them.
    once = {"xla_backend_optimization_level": 0} if mesh.devices.flat[0].platform == "cpu" else None
    seed = np.uint32(config.seed)
    layout = _layout(abstract_state(network, config, optimizer, mesh))
    initialise = _initialiser(network, config, optimizer)
    state = jax.jit(initialise, out_shardings=layout.replace(replicas=None), compiler_options=once)(seed)
    if not layout.replicas:
        return state
    # By a program of their own, so that the parameters are to the bit those of synchronous training.
    replicate = jax.jit(_replicator(config), out_shardings=layout.replicas)
    return state.replace(replicas=replicate(state.params, seed))


def abstract_state(
    network: nn.Module, config: Config, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """Shapes, dtypes and shardings of `init_state`, without computing it."""
    seed, smallest = np.uint32(config.seed), config.mesh.smallest_shard
    shapes = jax.eval_shape(_initialiser(network, config, optimizer), seed)
    shardings = state_shardings(shapes, mesh, smallest)
    if config.parallelism.name == "downpour":
        replicas = jax.eval_shape(_replicator(config), shapes.params, seed)
        shapes = shapes.replace(replicas=replicas)
        shardings = shardings.replace(replicas=replica_shardings(replicas, mesh, smallest))
    return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)


def _layout(abstract: TrainState) -> TrainState:
    return jax.tree.map(lambda x: x.sharding, abstract)


def _replicator(config: Config) -> Callable[[Any, Any], Replicas]:
    return lambda params, seed: all_at(params, config.parallelism, seed)


def _initialiser(
    network: nn.Module, config: Config, optimizer: optax.GradientTransformation
) -> Callable[[Any], TrainState]:
    """The state as a function of the seed, so that one program serves every seed."""
    size, parallelism = config.data.image_size, config.parallelism

    def init(seed: Any) -> TrainState:
        variables = network.init({"params": jax.random.key(seed)}, jnp.zeros((1, size, size, 3)))
        params, batch_stats = variables["params"], variables.get("batch_stats", {})
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            seed=jnp.asarray(seed, jnp.uint32),
            params=params,
            batch_stats=batch_stats,
            opt_state=optimizer.init(params),
            average={"params": params, "batch_stats": batch_stats} if config.average.on else None,
            metrics=Metrics.zeros(stale=parallelism.name == "downpour"),
            clock=None if parallelism.name == "sync" else Clock.zero(),
        )

    return init
