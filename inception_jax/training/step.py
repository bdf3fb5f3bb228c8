"""The one step function: trainer, ahead-of-time compilation, benchmarks and tests all use it unchanged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.distributed.backup_workers import fastest
from inception_jax.distributed.downpour import deliver, next_arrival
from inception_jax.distributed.mesh import batch_sharding, gathered, replicated, state_shardings
from inception_jax.training.averaging import move
from inception_jax.training.gradients import Batch, make_gradients
from inception_jax.training.state import Metrics, TrainState

TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
    network: nn.Module,
    config: Config,
    *,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    unroll: bool = True,
    mesh: Mesh | None = None,
) -> TrainStep:
    """The pure function `train_step(state, batch) -> (state, metrics)`.

    `batch`: `image` uint8 [B, H, W, 3], `label` int32 [B], `mask` bool [B], `seed` uint32 [B]. The loss is the
    mean over the rows of `mask`; gradients follow from it, so that on a mesh they are the mean over it.
    `metrics` are this step's `loss`, `gradient_norm` (before L2 and clipping), `learning_rate`, `top1`, `top5`
    and `examples`; `state.metrics` sums them. Where images are mixed, a hit is one of the image's own label. Dropout
    draws from (state.seed, step): no number of the program, which serves every seed. With `optimizer.accumulate` = M
    the gradients of M microbatches are averaged into one update; see `make_gradients`.

    With `parallelism` other than `sync` there are also `simulated_time`, at the end of the step, and for `downpour`
    `staleness`: the gradient is computed at the parameters of the replica that is done first, and the optimizer applies
    it to `state.params`. Batch statistics move with every gradient that counts, as the server's averages do.

    A step whose loss, gradient norm, parameters or batch statistics are not finite changes nothing but
    `state.metrics.bad_step`, and neither does any step after it.

    Args:
      network: a network of `inception_jax.models`.
      config: the experiment.
      optimizer: see `make_optimizer`.
      schedule: gives the reported learning rate, at `state.step`.
      unroll: compile microbatches one after the other, not as a loop. XLA:CPU is 30 times slower at
        convolutions that are differentiated inside a loop; elsewhere a loop compiles faster.
      mesh: where the state may be split over `model`: parameters are gathered once a step, and each device
        updates only its part of them. None: a whole copy on every device.
    """
    parallelism = config.parallelism
    gradients_of = make_gradients(network, config, unroll=unroll)

    def update(gradients: Any, params: Any, opt_state: Any) -> tuple[Any, Any]:
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        clock, arrival = state.clock, None
        if clock and parallelism.name == "backup_workers":
            batch, waited = fastest(batch, parallelism, state.seed, state.step)
            batch = lax.with_sharding_constraint(batch, batch_sharding(mesh)) if mesh else batch
            clock = clock.after(waited)
        if clock and state.replicas:
            arrival = next_arrival(state.replicas)
            clock = clock.after(arrival.elapsed)
        examples = batch["mask"].sum(dtype=jnp.int32)
        params = arrival.params if arrival else state.params
        whole = state.replace(params=gathered(params, mesh) if mesh else params)
        sums = gradients_of(whole, batch, jnp.maximum(examples, 1))
        if mesh:
            parts = state_shardings(sums["gradients"], mesh, config.mesh.smallest_shard)
            sums["gradients"] = lax.with_sharding_constraint(sums["gradients"], parts)
        rate = jnp.float32(schedule(state.step))
        gradients, server, replicas = sums["gradients"], (state.params, state.opt_state), state.replicas
        if replicas and arrival:
            (params, opt_state), replicas = deliver(
                replicas, arrival, gradients, server, update, rate=rate, config=parallelism, seed=state.seed
            )
        else:
            params, opt_state = update(gradients, *server)
        trained = {"params": params, "batch_stats": sums["batch_stats"]}
        metrics = {
            "loss": sums["loss"],
            "gradient_norm": optax.tree.norm(gradients),
            "top1": sums["top1"],
            "top5": sums["top5"],
            "examples": examples,
        }
        if arrival:
            metrics["staleness"] = arrival.staleness
        stepped = TrainState(
            step=state.step + 1,
            seed=state.seed,
            **trained,
            opt_state=opt_state,
            average=state.average and move(state.average, trained, state.step, config.average),
            metrics=_accumulate(state.metrics, metrics),
            clock=clock,
            replicas=replicas,
        )
        state = _unless_bad(stepped, state, finite=_all_finite((metrics["loss"], metrics["gradient_norm"], trained)))
        if clock:
            metrics["simulated_time"] = clock.reading()
        return state, metrics | {"learning_rate": rate}

    return train_step


def jit_train_step(train_step: TrainStep, mesh: Mesh, state: TrainState | None = None) -> Any:
    """`train_step` compiled for `mesh`: the state donated, the batch spread over all devices.

    Args:
      train_step: see `make_train_step`.
      mesh: the devices.
      state: real or abstract, whose layout is kept; None: a whole copy on every device.
    """
    everywhere = replicated(mesh)
    layout: Any = everywhere if state is None else jax.tree.map(lambda x: x.sharding, state)
    return jax.jit(
        train_step,
        in_shardings=(layout, batch_sharding(mesh)),
        out_shardings=(layout, everywhere),
        donate_argnums=0,
    )


def abstract_batch(config: Config, mesh: Mesh) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes, dtypes and shardings of a global training batch, to compile a step before there is one."""
    rows, size = config.batch_size, config.data.image_size
    shapes = {
        "image": ((rows, size, size, 3), jnp.uint8),
        "label": ((rows,), jnp.int32),
        "mask": ((rows,), jnp.bool_),
        "seed": ((rows,), jnp.uint32),
    }
    sharding = batch_sharding(mesh)
    return {name: jax.ShapeDtypeStruct(shape, dtype, sharding=sharding) for name, (shape, dtype) in shapes.items()}


def _accumulate(sums: Metrics, metrics: Mapping[str, jax.Array]) -> Metrics:
    oldest = None if sums.oldest is None else jnp.maximum(sums.oldest, metrics["staleness"])
    return sums.replace(
        steps=sums.steps + 1, oldest=oldest, **{name: getattr(sums, name) + value for name, value in metrics.items()}
    )


def _unless_bad(stepped: TrainState, state: TrainState, finite: jax.Array) -> TrainState:
    """`stepped` if it is finite and every step before was; else `state`, which tells the first bad step."""
    bad_step = state.metrics.bad_step
    first_bad = jnp.where((bad_step < 0) & ~finite, state.step + 1, bad_step)
    # By the number that the program returns, which XLA:CPU computes once: `finite` it computes anew for every array.
    kept = jax.tree.map(functools.partial(lax.select, first_bad < 0), stepped, state)
    return kept.replace(metrics=kept.metrics.replace(bad_step=first_bad))


def _all_finite(tree: Any) -> jax.Array:
    return jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(tree)]).all()
