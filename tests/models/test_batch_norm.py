"""Running statistics after one training step against NumPy in double precision, on one to eight devices."""

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from inception_jax.config import Config, Data
from inception_jax.distributed.mesh import batch_sharding, make_mesh, put_batch, replicated
from inception_jax.models import AuxiliaryHead, Network
from inception_jax.models.layers import BatchNormSpec, ConvNorm, Style
from inception_jax.models.table import avg_pool, conv, inception
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.schedules import make_schedule
from inception_jax.training.state import abstract_state, init_state
from inception_jax.training.step import abstract_batch, jit_train_step, make_train_step

BATCH = 16
GROUPS = [0, 1, 2, 4, 8, 16]  # images; 0 is the whole batch
DEVICES = [1, 2, 4, 8]
DECAY, EPSILON = 0.75, 1e-3

CONFIG = Config(batch_size=BATCH, steps=1, data=Data(image_size=7, flip=False))


def grouped(y: np.ndarray, group: int) -> np.ndarray:
    """[B, H, W, C] -> [groups, pixels of a group, C]."""
    return y.reshape(len(y) // (group or len(y)), -1, y.shape[-1])


def moments(y: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean over groups of their means, and of their unbiased variances, both [C]."""
    y = grouped(y, group)
    return y.mean(1).mean(0), y.var(1, ddof=1).mean(0)


def moved(before: Any, mean: np.ndarray, var: np.ndarray) -> dict[str, np.ndarray]:
    now = {"mean": mean, "var": var}
    return {name: DECAY * np.asarray(before[name], np.float64) + (1 - DECAY) * now[name] for name in now}


def random_statistics(tree: Any, seed: int) -> Any:
    """Running statistics that a step must move and not replace."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: rng.uniform(0.5, 1.5, x.shape).astype(np.float32), tree)


@functools.cache
def one_unit() -> tuple[np.ndarray, Any, Any]:
    """Images, kernel and running statistics of one 1x1 convolution."""
    unit = make_unit(0)
    x = np.random.default_rng(0).normal(1, 2, (BATCH, 3, 5, 4)).astype(np.float32)
    variables: Any = jax.device_get(unit.init(jax.random.key(0), x, False))
    return x, variables["params"], random_statistics(variables["batch_stats"], 1)


def make_unit(group: int) -> ConvNorm:
    spec = BatchNormSpec(epsilon=EPSILON, decay=DECAY, scale=True, group_size=group)
    return ConvNorm(conv(8), Style(norm=spec), 4)


@pytest.mark.parametrize("devices", DEVICES)
@pytest.mark.parametrize("group", GROUPS)
def test_one_normalisation_on_any_number_of_devices(group, devices):
    x, params, before = one_unit()
    mesh = make_mesh(jax.devices()[:devices])
    whole, spread = replicated(mesh), batch_sharding(mesh)

    @functools.partial(jax.jit, in_shardings=(whole, spread), out_shardings=(spread, whole))
    def apply(variables, x):
        return make_unit(group).apply(variables, x, True, mutable=["batch_stats"])

    out, after = apply({"params": params, "batch_stats": before}, x)
    y = x.astype(np.float64) @ np.asarray(params["kernel"], np.float64)[0, 0]
    want = moved(before["norm"], *moments(y, group))
    for name in ("mean", "var"):
        np.testing.assert_allclose(after["batch_stats"]["norm"][name], want[name], rtol=2e-6, err_msg=name)
    y = grouped(y, group)
    y = np.maximum((y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + EPSILON), 0)
    np.testing.assert_allclose(out, y.reshape(out.shape), rtol=1e-4, atol=1e-5)


def make_network(group: int, *, norm: bool = True) -> Network:
    """Every way to a batch norm: alone, fused with its siblings, behind a pool, in an auxiliary head."""
    spec = BatchNormSpec(epsilon=EPSILON, decay=DECAY, group_size=group) if norm else None
    module = inception([conv(8)], [conv(8), conv(8, 3)], [avg_pool(3), conv(8)])
    return Network(
        rows=(("conv1", conv(8, 3, 2)), ("mixed", module)),
        heads=(AuxiliaryHead("aux", "mixed", (("pool", avg_pool(3, 1, "VALID")), ("conv", conv(8)))),),
        num_classes=10,
        dropout=0.2,
        style=Style(norm=spec),
    )


def training(network: Network, devices: int) -> tuple[Any, Any, Any]:
    """Mesh, the project's jitted step, and what makes or describes its state."""
    mesh = make_mesh(jax.devices()[:devices])
    schedule = make_schedule(CONFIG, 1000)
    optimizer = make_optimizer(CONFIG.optimizer, schedule)
    step = make_train_step(network, CONFIG, optimizer=optimizer, schedule=schedule)
    return mesh, jit_train_step(step, mesh), optimizer


@functools.cache
def one_batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (BATCH, 7, 7, 3), np.uint8),
        "label": rng.integers(0, 10, BATCH, np.int32),
        "mask": np.ones(BATCH, bool),
        "seed": np.arange(BATCH, dtype=np.uint32),
    }


@functools.cache
def initial_state() -> Any:
    """On the host; the size of groups changes nothing of it."""
    state = init_state(make_network(0), CONFIG, make_optimizer(CONFIG.optimizer, lambda _: 0.1), make_mesh())
    state = jax.device_get(state)
    return state.replace(batch_stats=random_statistics(state.batch_stats, 1))


@functools.cache
def after_one_step(group: int, devices: int) -> Any:
    """Running statistics that the project's step leaves."""
    mesh, step, _ = training(make_network(group), devices)
    state, _ = step(jax.device_put(initial_state(), replicated(mesh)), put_batch(one_batch(), mesh))
    return jax.device_get(state.batch_stats)


def windows(x: np.ndarray, size: int, stride: int, *, pad: bool) -> np.ndarray:
    """[B, H, W, C] -> [B, H', W', C, size, size], padded by zeros as TensorFlow's SAME if `pad`."""
    if pad:
        sides = []
        for n in x.shape[1:3]:
            total = max((-(-n // stride) - 1) * stride + size - n, 0)
            sides.append((total // 2, total - total // 2))
        x = np.pad(x, ((0, 0), *sides, (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))[:, ::stride, ::stride]


def numpy_forward(params: Any, group: int) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """What enters every batch norm of `make_network`, written out, each with its path."""
    entering = {}

    def unit(x: np.ndarray, *path: str, stride: int = 1) -> np.ndarray:
        leaves = functools.reduce(lambda tree, name: tree[name], path, params)
        kernel = np.asarray(leaves["kernel"], np.float64)
        y = np.einsum("bhwcij,ijco->bhwo", windows(x, kernel.shape[0], stride, pad=True), kernel)
        entering[path] = y
        y, shape = grouped(y, group), y.shape
        return np.maximum((y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + EPSILON), 0).reshape(shape)

    x = one_batch()["image"].astype(np.float64) / 127.5 - 1
    x = unit(x, "conv1", stride=2)
    ones = np.ones_like(x)
    averaged = windows(x, 3, 1, pad=True).sum((-1, -2)) / windows(ones, 3, 1, pad=True).sum((-1, -2))
    x = np.concatenate(
        [
            unit(x, "mixed", "branch0_conv0_1x1"),
            unit(unit(x, "mixed", "branch1_conv0_1x1"), "mixed", "branch1_conv1_3x3"),
            unit(averaged, "mixed", "branch2_conv0_1x1"),
        ],
        -1,
    )
    unit(windows(x, 3, 1, pad=False).mean((-1, -2)), "aux", "conv")
    return iter(entering.items())


@pytest.mark.parametrize("group", GROUPS)
def test_a_training_step_moves_every_statistic_as_numpy_does(group):
    before = initial_state().batch_stats
    after, checked = after_one_step(group, 1), 0
    for path, y in numpy_forward(initial_state().params, group):
        old, new = (functools.reduce(lambda tree, name: tree[name], path, tree)["norm"] for tree in (before, after))
        for name, want in moved(old, *moments(y, group)).items():
            np.testing.assert_allclose(new[name], want, rtol=1e-5, err_msg=f"{'/'.join(path)} {name}")
            checked += 1
    assert checked == len(jax.tree.leaves(after))


@pytest.mark.parametrize(
    "devices", [pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow), 8]
)
@pytest.mark.parametrize("group", GROUPS)
def test_statistics_of_a_step_do_not_depend_on_the_devices(group, devices):
    found, want = after_one_step(group, devices), after_one_step(group, 1)
    for (path, got), expected in zip(jax.tree.leaves_with_path(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-6, err_msg=jax.tree_util.keystr(path))


@functools.cache
def collectives(group: int, *, norm: bool = True) -> Counter[str]:
    """How many of each collective operation the step compiled for 8 devices has."""
    network = make_network(group, norm=norm)
    mesh, step, optimizer = training(network, 8)
    state = abstract_state(network, CONFIG, optimizer, mesh)
    text = step.lower(state, abstract_batch(CONFIG, mesh)).compile().as_text()
    kinds = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
    return Counter({kind: text.count(f" {kind}(") for kind in kinds})


@pytest.mark.parametrize("group", [1, 2])
def test_groups_that_lie_on_one_device_cost_no_collective(group):
    """16 and 8 groups on 8 devices: no more than the step without batch norm, whose reductions are those of
    gradients and metrics. The whole batch in one group is what the measure must tell from it."""
    without = collectives(0, norm=False)
    assert without["all-reduce"] > 0
    assert collectives(group) == without
    assert collectives(0)["all-reduce"] > without["all-reduce"]
