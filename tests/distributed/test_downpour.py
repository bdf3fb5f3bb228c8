"""Downpour SGD against plain SGD, against what staleness must be, and against a simulator of events."""

import dataclasses
import heapq
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax.config import Average, Config, Data, Mesh, Optimizer, Parallelism, Schedule
from inception_jax.distributed.clock import Clock, duration
from inception_jax.distributed.mesh import mesh_of, put_batch
from inception_jax.models import Output
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.schedules import make_schedule, of_pushes
from inception_jax.training.state import TrainState, abstract_state, init_state
from inception_jax.training.step import abstract_batch, jit_train_step, make_train_step
from tests.fake_network import FakeNetwork, fake_batch

CONFIG = Config(
    seed=3,
    batch_size=16,
    steps=40,
    data=Data(image_size=8, flip=False),
    optimizer=Optimizer(learning_rate=0.1),
    schedule=Schedule(name="cosine"),
)


class Linear(nn.Module):
    """Softmax regression on pixels, whose gradient anyone can write down."""

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> Output:
        pixels = images.reshape(len(images), -1)
        return Output(nn.Dense(10, name="logits")(pixels), (), pixels, {})


def trained(config: Config, network: Any, devices: int = 1, steps: int = 20) -> tuple[TrainState, list[dict[str, Any]]]:
    mesh = mesh_of(config, jax.devices()[:devices])
    schedule = make_schedule(config, 1000)
    optimizer = make_optimizer(config.optimizer, of_pushes(schedule, config))
    step = make_train_step(network, config, optimizer=optimizer, schedule=schedule, mesh=mesh)
    abstract = abstract_state(network, config, optimizer, mesh)
    compiled = jit_train_step(step, mesh, abstract).lower(abstract, abstract_batch(config, mesh)).compile()
    state, rows = init_state(network, config, optimizer, mesh), []
    layout = jax.tree.map(lambda x: x.sharding, abstract)
    assert jax.tree.map(lambda x: x.sharding, state) == layout
    for seed in range(steps):
        state, metrics = compiled(state, put_batch(jax.device_get(fake_batch(config.batch_size, seed=seed)), mesh))
        rows.append(jax.device_get(metrics))
    assert jax.tree.map(lambda x: x.sharding, state) == layout
    return state, rows


def downpour(config: Config = CONFIG, **fields: Any) -> Config:
    return dataclasses.replace(config, parallelism=Parallelism("downpour", **fields))


def assert_equal(found: Any, expected: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(found), jax.device_get(expected))


@pytest.mark.parametrize("name", ["momentum", "adagrad"])
def test_one_replica_is_plain_sgd_bitwise(name):
    optimizer = Optimizer(name=name, learning_rate=0.05, weight_decay=1e-4, clip_norm=2.0)
    config = dataclasses.replace(CONFIG, optimizer=optimizer, average=Average(decay=0.9))
    network = FakeNetwork(dropout=0.3)
    plain, rows = trained(config, network)
    alone, others = trained(downpour(config), network)
    for field in ("step", "params", "batch_stats", "opt_state", "average"):
        assert_equal(getattr(alone, field), getattr(plain, field))
    assert [row["loss"] for row in others] == [row["loss"] for row in rows]
    assert {int(row["staleness"]) for row in others} == {0}


@pytest.mark.parametrize("replicas", [2, 5])
def test_with_equal_speeds_staleness_is_one_less_than_the_replicas(replicas):
    state, rows = trained(downpour(replicas=replicas), Linear())
    found = [int(row["staleness"]) for row in rows]
    assert found[:replicas] == list(range(replicas))  # all of them fetched the first parameters
    assert set(found[replicas:]) == {replicas - 1}
    assert [float(row["simulated_time"]) for row in rows] == [1 + n // replicas for n in range(20)]
    assert state.metrics.staleness == sum(found)
    assert state.metrics.oldest == replicas - 1


CASES = [
    {"replicas": 3, "times": "lognormal:0.5"},
    {"replicas": 3, "n_push": 2, "n_fetch": 3, "times": "exponential:0.8", "spread": 0.5},
    {"replicas": 4, "n_push": 3, "n_fetch": 1, "warm_start_steps": 6, "times": "0.7,1.1,2.9", "spread": 0.2},
    {"replicas": 4, "warm_start_steps": 5, "times": "equal"},
]


@pytest.mark.parametrize("name", ["momentum", "adagrad"])
@pytest.mark.parametrize("fields", CASES, ids=str)
def test_it_agrees_with_a_simulator_of_events(fields, name):
    config = downpour(dataclasses.replace(CONFIG, optimizer=Optimizer(name=name, learning_rate=0.02)), **fields)
    state, rows = trained(config, Linear(), steps=30)
    optimizer = make_optimizer(config.optimizer, make_schedule(config, 1000))
    first = init_state(Linear(), config, optimizer, mesh_of(config, jax.devices()[:1]))
    params, staleness, times = simulated(config, jax.device_get(first.params["logits"]), steps=30)
    assert [int(row["staleness"]) for row in rows] == staleness
    np.testing.assert_allclose([row["simulated_time"] for row in rows], times, rtol=1e-5)
    for leaf, value in params.items():
        np.testing.assert_allclose(state.params["logits"][leaf], value, rtol=1e-4, atol=1e-5)


def simulated(config: Config, params: Any, steps: int) -> tuple[dict[str, np.ndarray], list[int], list[float]]:
    """Algorithm 7.1 of the paper with a queue of events, in float64: the parameters, each staleness, each time."""
    p, seed = config.parallelism, jnp.uint32(config.seed)
    schedule = make_schedule(config, 1000)

    def takes(replica: int, number: int) -> float:
        return float(duration(p, seed, jnp.int32(replica), jnp.int32(number)))

    server = {name: np.asarray(value, np.float64) for name, value in params.items()}
    memory = {name: np.zeros_like(value) for name, value in server.items()}
    own = [dict(server) for _ in range(p.replicas)]
    sums = [{name: np.zeros_like(value) for name, value in server.items()} for _ in range(p.replicas)]
    delivered, fetched, updates = [0] * p.replicas, [0] * p.replicas, 0
    queue = [(takes(r, 0), r) for r in range(1 if p.warm_start_steps else p.replicas)]
    heapq.heapify(queue)
    staleness, times = [], []
    for step in range(steps):
        now, r = heapq.heappop(queue)
        times.append(now)
        staleness.append(updates - fetched[r])
        gradient = regression_gradient(own[r], jax.device_get(fake_batch(config.batch_size, seed=step)))
        delivered[r] += 1
        for name, g in gradient.items():
            sums[r][name] = sums[r][name] + g
            own[r][name] = own[r][name] - float(np.asarray(schedule(step))) * g
        if delivered[r] % p.n_push == 0:
            rate = float(np.asarray(schedule(updates * p.n_push)))
            for name, g in sums[r].items():
                if config.optimizer.name == "momentum":
                    memory[name] = config.optimizer.momentum * memory[name] + g
                    move = memory[name]
                else:
                    memory[name] = memory[name] + g**2
                    move = np.divide(g, np.sqrt(memory[name]), out=np.zeros_like(g), where=memory[name] > 0)
                server = {**server, name: server[name] - rate * move}
                sums[r][name] = np.zeros_like(g)
            updates += 1
        if delivered[r] % p.n_fetch == 0:
            own[r], fetched[r] = dict(server), updates
        heapq.heappush(queue, (now + takes(r, delivered[r]), r))
        if step + 1 == p.warm_start_steps:
            for other in range(1, p.replicas):
                own[other], fetched[other] = dict(server), updates
                heapq.heappush(queue, (now + takes(other, 0), other))
    return server, staleness, times


def regression_gradient(params: dict[str, np.ndarray], batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of the mean cross-entropy of softmax regression."""
    pixels = (batch["image"].astype(np.float64).reshape(len(batch["label"]), -1) - 127.5) / 127.5
    logits = pixels @ params["kernel"] + params["bias"]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    wrong = (shares - np.eye(10)[batch["label"]]) / len(pixels)
    return {"kernel": pixels.T @ wrong, "bias": wrong.sum(0)}


@pytest.mark.parametrize("model", [1, 2])
def test_replicas_lie_over_the_mesh_and_repeat_themselves(model):
    fields = {"replicas": 8, "times": "lognormal:0.4", "n_push": 2, "n_fetch": 3}
    config = dataclasses.replace(downpour(**fields), mesh=Mesh(model=model, smallest_shard=64))
    spread, rows = trained(config, Linear(), devices=8)
    again, _ = trained(config, Linear(), devices=8)
    assert_equal(spread, again)
    one, alone = trained(config if model == 1 else downpour(**fields), Linear())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), spread.params, one.params)
    assert [int(row["staleness"]) for row in rows] == [int(row["staleness"]) for row in alone]
    assert spread.replicas
    kernel = spread.replicas.params["logits"]["kernel"]
    assert kernel.shape == (8, 192, 10)
    assert kernel.addressable_shards[0].data.shape == ((1, 192, 10) if model == 1 else (2, 96, 10))


def test_a_gradient_that_is_not_finite_changes_no_replica():
    config = downpour(dataclasses.replace(CONFIG, optimizer=Optimizer(learning_rate=1e38)), replicas=2)
    state, rows = trained(config, FakeNetwork(), steps=3)
    bad = int(state.metrics.bad_step)
    assert bad > 0
    before, _ = trained(config, FakeNetwork(), steps=bad - 1)
    assert_equal(state.replicas, before.replicas)
    assert state.clock is not None
    assert_equal(state.clock, before.clock)
    assert not np.isfinite(rows[bad - 1]["loss"]) or state.step == bad - 1


def test_the_clock_neither_stops_nor_drifts():
    clock = Clock(jnp.int32(2**30), jnp.float32(0.75))
    ended, _ = jax.lax.scan(lambda c, _: (c.after(jnp.float32(0.1)), None), clock, length=100_000)
    passed = int(ended.whole) - 2**30 + float(ended.fraction) - 0.75
    assert passed == pytest.approx(10_000, abs=0.05)
