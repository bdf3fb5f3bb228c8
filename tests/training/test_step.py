import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax.config import Average, Config, Data, Log, Loss, Optimizer, Schedule
from inception_jax.data.photometric import augment
from inception_jax.distributed.mesh import make_mesh, put_batch
from inception_jax.models import Network
from inception_jax.models.layers import BatchNormSpec, Style
from inception_jax.models.table import conv
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.schedules import make_schedule
from inception_jax.training.state import abstract_state, init_state
from inception_jax.training.step import abstract_batch, jit_train_step, make_train_step
from tests.fake_network import FakeNetwork, fake_batch

CONFIG = Config(
    batch_size=32,
    steps=100,
    data=Data(image_size=8, flip=True),
    loss=Loss(label_smoothing=0.1),
    optimizer=Optimizer(learning_rate=0.1, weight_decay=1e-4, clip_norm=2.0),
    schedule=Schedule(name="cosine"),
    average=Average(decay=0.9),
    log=Log(every_steps=10),
)


_BUILT = {}


def build(config=CONFIG, network=None, devices=1, unroll=True):
    """Mesh, jitted step and initialiser, compiled once for all tests that ask for the same."""
    network = network or FakeNetwork()
    key = repr((config, network, devices, unroll))
    if key not in _BUILT:
        _BUILT[key] = _build(config, network, devices, unroll)
    return _BUILT[key]


def _build(config, network, devices, unroll):
    mesh = make_mesh(jax.devices()[:devices])
    schedule = make_schedule(config, 1000)
    optimizer = make_optimizer(config.optimizer, schedule)
    step = make_train_step(network, config, optimizer=optimizer, schedule=schedule, unroll=unroll)
    return mesh, jit_train_step(step, mesh), functools.partial(init_state, network, config, optimizer, mesh)


def run(steps=5, batch=None, **kwargs):
    mesh, step, init = build(**kwargs)
    state, rows = init(), []
    for seed in range(steps):
        state, metrics = step(state, put_batch(batch or jax.device_get(fake_batch(32, seed=seed)), mesh))
        rows.append(jax.device_get(metrics))
    return jax.device_get(state), rows


def assert_close(found, expected, rtol):
    for (path, a), (_, b) in zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree_util.tree_leaves_with_path(expected), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=jax.tree_util.keystr(path))


@pytest.fixture(scope="module")
def one_device():
    return run()


def test_training_learns():
    state, rows = run(steps=60, batch=jax.device_get(fake_batch(32)))
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert rows[-1]["top1"] > rows[0]["top1"]
    assert state.step == 60


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_the_number_of_devices_changes_nothing_but_rounding(one_device, devices):
    state, rows = run(devices=devices)
    assert_close(state, one_device[0], 2e-5)
    assert [r["top1"] for r in rows] == [r["top1"] for r in one_device[1]]


def test_metrics_sum_over_the_steps(one_device):
    state, rows = one_device
    sums = state.metrics
    assert (sums.steps, sums.examples, sums.bad_step) == (5, 5 * 32, -1)
    assert sums.top1 == sum(r["top1"] for r in rows)
    assert sums.top5 == sum(r["top5"] for r in rows)
    np.testing.assert_allclose(sums.loss, sum(r["loss"] for r in rows), rtol=1e-6)
    np.testing.assert_allclose(sums.gradient_norm, sum(r["gradient_norm"] for r in rows), rtol=1e-6)
    schedule = make_schedule(CONFIG, 1000)
    np.testing.assert_allclose([r["learning_rate"] for r in rows], np.array([schedule(i) for i in range(5)]), rtol=1e-6)


@pytest.mark.parametrize(("devices", "unroll"), [(1, True), (1, False), (2, True)])
def test_accumulation_is_one_large_batch(devices, unroll):
    network = FakeNetwork(norm=False)
    config = dataclasses.replace(CONFIG, optimizer=dataclasses.replace(CONFIG.optimizer, accumulate=4))
    batch = jax.device_get(fake_batch(32)) | {"mask": np.arange(32) < 27}
    state, rows = run(config=config, network=network, devices=devices, unroll=unroll, batch=batch)
    whole, whole_rows = run(network=network, batch=batch)
    assert_close(state, whole, 2e-5)
    assert [r["top5"] for r in rows] == [r["top5"] for r in whole_rows]


def test_accumulation_moves_batch_statistics_once():
    config = dataclasses.replace(CONFIG, optimizer=dataclasses.replace(CONFIG.optimizer, accumulate=4))
    network, batch = FakeNetwork(), jax.device_get(fake_batch(32))
    mesh, step, init = build(config)
    state = init()
    params, before = jax.device_get((state.params, state.batch_stats))
    state, _ = step(state, put_batch(batch, mesh))
    # Every microbatch by itself, from the same statistics: rows i, i + 4, i + 8, ...
    means = []
    for i in range(4):
        rows = batch["image"][i::4], batch["seed"][i::4]
        images = augment(*rows, flip=True, distortion="none", mean=config.data.mean, std=config.data.std)
        variables = {"params": params, "batch_stats": before}
        _, updates = network.apply(variables, images, train=True, mutable=["batch_stats"])
        means.append(updates["batch_stats"]["norm"]["mean"])
    np.testing.assert_allclose(state.batch_stats["norm"]["mean"], np.mean(means, axis=0), rtol=1e-5, atol=1e-6)


def test_microbatches_stay_on_their_devices():
    config = dataclasses.replace(CONFIG, optimizer=dataclasses.replace(CONFIG.optimizer, accumulate=4))
    network = FakeNetwork(norm=False)
    mesh, step, _ = build(config, network, devices=8)
    optimizer = make_optimizer(config.optimizer, make_schedule(config, 1000))
    abstract = abstract_state(network, config, optimizer, mesh)
    text = step.lower(abstract, abstract_batch(config, mesh)).compile().as_text()
    assert "all-reduce" in text
    for moved in ("all-gather", "all-to-all", "collective-permute"):
        assert moved not in text


def test_one_program_serves_every_seed():
    network = FakeNetwork(dropout=0.5)

    def lowered(seed):
        mesh, step, _ = _build(dataclasses.replace(CONFIG, seed=seed), network, 1, True)
        optimizer = make_optimizer(CONFIG.optimizer, make_schedule(CONFIG, 1000))
        return step.lower(abstract_state(network, CONFIG, optimizer, mesh), abstract_batch(CONFIG, mesh)).as_text()

    assert lowered(0) == lowered(7)


def test_padding_weighs_nothing():
    network = FakeNetwork(norm=False)
    batch = jax.device_get(fake_batch(32)) | {"mask": np.arange(32) < 20}
    other = {**batch, "image": np.where(batch["mask"][:, None, None, None], batch["image"], 255 - batch["image"])}
    state, rows = run(network=network, batch=batch, steps=2)
    same, _ = run(network=network, batch=other, steps=2)
    assert_close(state, same, 1e-6)
    assert [r["examples"] for r in rows] == [20, 20]


def test_a_step_neither_recompiles_nor_copies_its_state():
    mesh, step, init = build(devices=2)
    state = init()
    for seed in range(3):
        old = state
        state, _ = step(state, put_batch(jax.device_get(fake_batch(32, seed=seed)), mesh))
        assert all(x.is_deleted() for x in jax.tree.leaves((old.params, old.opt_state, old.average)))
    assert step._cache_size() == 1


def test_dropout_follows_seed_and_step():
    batch = jax.device_get(fake_batch(32))
    network = FakeNetwork(dropout=0.5, norm=False)
    frozen = dataclasses.replace(CONFIG, optimizer=Optimizer(learning_rate=0.0))
    _, rows = run(config=frozen, network=network, batch=batch, steps=3)
    _, again = run(config=frozen, network=network, batch=batch, steps=3)
    _, other = run(config=dataclasses.replace(frozen, seed=1), network=network, batch=batch, steps=3)
    losses, repeated, others = ([r["loss"].item() for r in x] for x in (rows, again, other))
    assert losses == repeated
    assert len(set(losses)) == 3
    assert losses != others


def test_a_step_that_is_not_finite_changes_nothing_and_is_remembered():
    mesh, step, init = build()
    state, _ = step(init(), put_batch(jax.device_get(fake_batch(32)), mesh))
    good = jax.device_get(state)
    broken = state.replace(params=jax.tree.map(lambda x: x, state.params))
    broken.params["logits"]["kernel"] = jnp.full_like(state.params["logits"]["kernel"], 1e38)
    kept = jax.device_get(broken)
    for seed in range(3):
        broken, metrics = step(broken, put_batch(jax.device_get(fake_batch(32, seed=seed)), mesh))
    assert not np.isfinite(metrics["loss"])
    assert broken.metrics.bad_step == 2
    assert broken.step == 1
    assert_equal(jax.device_get(broken.replace(metrics=kept.metrics)), kept)
    assert_equal(kept.opt_state, good.opt_state)


def assert_equal(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_programs_grow_with_the_network_and_not_with_its_square():
    """XLA:CPU writes a cheap number anew wherever it is read: one that all arrays give, into every array's update."""
    network = Network(
        rows=tuple((f"conv{i}", conv(8)) for i in range(8)),
        heads=(),
        num_classes=10,
        dropout=0.0,
        style=Style(norm=BatchNormSpec(group_size=32)),
    )
    mesh, step, init = build(network=network)
    state = init()
    program = step.lower(state, abstract_batch(CONFIG, mesh)).compile().as_text()
    tested = len(jax.tree.leaves((state.params, state.batch_stats))) + 2  # the loss and the norm of the gradient
    assert tested <= program.count(" is-finite(") < 2 * tested
    assert len(re.findall(r" pred\[\]\S* and\(", program)) < 4 * tested


def test_an_overflowing_update_is_not_finite_even_where_the_loss_still_is():
    optimizer = Optimizer(learning_rate=1e3, weight_decay=10.0)
    config = dataclasses.replace(CONFIG, optimizer=optimizer, loss=Loss(aux_weight=0.0))
    mesh, step, init = build(config, FakeNetwork(norm=False))
    state = init()
    state.params["aux"]["kernel"] = jnp.full_like(state.params["aux"]["kernel"], 1e36)  # no weight, but L2
    state, metrics = step(state, put_batch(jax.device_get(fake_batch(32)), mesh))
    assert np.isfinite(metrics["loss"])
    assert np.isfinite(metrics["gradient_norm"])
    assert state.metrics.bad_step == 1
    assert np.isfinite(state.params["aux"]["kernel"]).all()


def test_averages_cover_parameters_and_batch_statistics():
    mesh, step, init = build()
    state = init()
    expected = jax.device_get({"params": state.params, "batch_stats": state.batch_stats})
    for n in range(4):
        state, _ = step(state, put_batch(jax.device_get(fake_batch(32, seed=n)), mesh))
        decay = min(0.9, (1 + n) / (10 + n))
        now = jax.device_get({"params": state.params, "batch_stats": state.batch_stats})
        expected = jax.tree.map(lambda a, b, d=decay: d * a + (1 - d) * b, expected, now)
    assert_close(jax.device_get(state.average), expected, 1e-5)
    assert state.variables() is state.average


def test_initial_state_depends_on_the_seed_alone():
    states = [
        jax.device_get(build(devices=1)[2]()),
        jax.device_get(build(devices=8)[2]()),
        jax.device_get(build(dataclasses.replace(CONFIG, seed=1))[2]()),
    ]
    assert_equal(states[0], states[1])
    assert (states[0].params["conv"]["kernel"] != states[2].params["conv"]["kernel"]).any()
    abstract = abstract_state(
        FakeNetwork(), CONFIG, make_optimizer(CONFIG.optimizer, make_schedule(CONFIG, 1)), make_mesh()
    )
    assert jax.tree.map(lambda x: (x.shape, x.dtype), states[0]) == jax.tree.map(lambda x: (x.shape, x.dtype), abstract)
