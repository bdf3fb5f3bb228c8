"""One training on every mesh: the same losses and parameters but for the order of float32 sums."""

import dataclasses
import functools
from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inception_jax.config import Average, Config, Data, Mesh, Model, Optimizer
from inception_jax.distributed.hlo import Collective, collectives
from inception_jax.distributed.mesh import mesh_of, put_batch
from inception_jax.models.layers import BatchNormSpec, Style
from inception_jax.models.network import Network
from inception_jax.models.table import conv, inception, max_pool
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.state import abstract_state, init_state
from inception_jax.training.step import abstract_batch, jit_train_step, make_train_step
from tests.fake_network import FakeNetwork, fake_batch

OPTIMIZERS = next(f for f in dataclasses.fields(Optimizer) if f.name == "name").metadata["choices"]
# Devices, and how many of them share one copy of the state: kernels of 216 and 80 numbers are split.
GRIDS = [(2, 1), (4, 1), (8, 1), (4, 2), (8, 2), (8, 8)]
ALL = [(name, *grid) for name in OPTIMIZERS for grid in GRIDS]
QUICK = [("momentum", 2, 1), ("momentum", 4, 1), ("momentum", 8, 1), ("momentum", 8, 2), ("rmsprop", 8, 8)]
CONFIG = Config(
    batch_size=32,
    data=Data(image_size=8),
    optimizer=Optimizer(learning_rate=0.05, weight_decay=1e-4, clip_norm=2.0),
    average=Average(decay=0.9),
    mesh=Mesh(smallest_shard=64),
)


def changed(model: int = 1, **optimizer: Any) -> Config:
    return dataclasses.replace(
        CONFIG,
        optimizer=dataclasses.replace(CONFIG.optimizer, **optimizer),
        mesh=dataclasses.replace(CONFIG.mesh, model=model),
    )


def compiled(config: Config, devices: int, network: Any) -> tuple[Any, Any, Any]:
    """Mesh, compiled step, and what makes the state before it."""
    mesh = mesh_of(config, jax.devices()[:devices])
    schedule = optax.constant_schedule(config.optimizer.learning_rate)
    optimizer = make_optimizer(config.optimizer, schedule)
    step = make_train_step(network, config, optimizer=optimizer, schedule=schedule, mesh=mesh)
    abstract = abstract_state(network, config, optimizer, mesh)
    step = jit_train_step(step, mesh, abstract).lower(abstract, abstract_batch(config, mesh)).compile()
    return mesh, step, functools.partial(init_state, network, config, optimizer, mesh)


def trained(config: Config, devices: int, network: Any, steps: int = 20) -> tuple[Any, list[float]]:
    mesh, step, init = compiled(config, devices, network)
    state, losses = init(), []
    layout = jax.tree.map(lambda x: x.sharding, state)
    for seed in range(steps):
        state, metrics = step(state, put_batch(jax.device_get(fake_batch(32, seed=seed)), mesh))
        losses.append(metrics["loss"].item())
    assert jax.tree.map(lambda x: x.sharding, state) == layout
    return jax.device_get(state), losses


def network_for(name: str) -> FakeNetwork:
    """Adam and Adagrad follow the sign of a gradient; that of a bias in front of batch norm is rounding alone."""
    return FakeNetwork(norm=name not in ("adamw", "lamb", "adagrad"))


@functools.cache
def on_one_device(name: str) -> tuple[Any, list[float]]:
    return trained(changed(name=name), 1, network_for(name))


def assert_same_but_rounding(found: tuple[Any, list[float]], expected: tuple[Any, list[float]]) -> None:
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-6)
    for (path, a), b in zip(jax.tree.leaves_with_path(found[0]), jax.tree.leaves(expected[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize(
    ("name", "devices", "model"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in ALL],
)
def test_every_mesh_trains_the_same_with_every_optimizer(name, devices, model):
    assert_same_but_rounding(trained(changed(model, name=name), devices, network_for(name)), on_one_device(name))


def test_one_mesh_repeats_itself_bitwise_with_a_state_that_is_split():
    mesh, step, init = compiled(changed(8), 8, FakeNetwork(dropout=0.3))
    ends = []
    for _ in range(2):
        state = init()
        for seed in range(5):
            state, _ = step(state, put_batch(jax.device_get(fake_batch(32, seed=seed)), mesh))
        ends.append(jax.device_get(state))
    jax.tree.map(np.testing.assert_array_equal, *ends)
    state = init()
    for tree in (state.params, state.average["params"], state.opt_state[-1][0].trace):
        assert tree["conv"]["kernel"].addressable_shards[0].data.shape == (3, 3, 3, 1)
        assert tree["logits"]["kernel"].addressable_shards[0].data.shape == (1, 10)
        assert tree["logits"]["bias"].sharding.is_fully_replicated
    assert all(x.sharding.is_fully_replicated for x in jax.tree.leaves(state.batch_stats))


def small_network(group: int | None, dtype: Any = jnp.float32, *, remat: int = 0) -> Network:
    """A module of branches; batch norm over groups of `group` images, or none."""
    style = Style(norm=None if group is None else BatchNormSpec(group_size=group), dtype=dtype)
    module = inception([conv(8)], [conv(8), conv(8, 3)], [max_pool(3), conv(8)])
    return Network(
        rows=(("conv1", conv(8, 3, 2)), ("mixed", module)),
        heads=(),
        num_classes=10,
        dropout=0.0,
        style=style,
        remat=remat,
    )


def collectives_of(config: Config, network: Network) -> list[Collective]:
    return collectives(compiled(config, 8, network)[1].as_text())


def counted(found: list[Collective]) -> Counter[str]:
    return Counter(collective.kind for collective in found)


def test_groups_on_one_device_cost_no_collective_on_a_mesh_that_splits_the_state():
    config = changed(2, clip_norm=0.0)
    without = counted(collectives_of(config, small_network(None)))
    found = collectives_of(config, small_network(4))
    count = counted(found)
    assert count == without
    # Each split kernel is gathered once, and parts of fused ones change places: no more than parameters move.
    params = jax.eval_shape(small_network(4).init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    split = [x.size for x in jax.tree.leaves(params) if x.size >= CONFIG.mesh.smallest_shard]
    assert 0 < count["all-gather"] <= len(split)
    assert sum(c.size for c in found if c.kind == "all-gather") == 4 * sum(split)
    assert sum(c.size for c in found if c.kind == "collective-permute") <= 4 * sum(split)
    assert count["all-to-all"] == 0
    assert counted(collectives_of(config, small_network(0)))["all-reduce"] > without["all-reduce"]


@pytest.mark.parametrize("model", [1, 4])
def test_accumulation_bfloat16_and_rematerialisation_combine(model):
    network = small_network(4, jnp.bfloat16, remat=1)
    config = dataclasses.replace(changed(model, accumulate=2), model=Model(dtype="bfloat16", remat=1))
    found = trained(config, 4, network, steps=3)
    expected = trained(dataclasses.replace(config, mesh=CONFIG.mesh), 1, network, steps=3)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-2)  # bfloat16 has 8 bits
    for a, b in zip(jax.tree.leaves(found[0].params), jax.tree.leaves(expected[0].params), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-3)
