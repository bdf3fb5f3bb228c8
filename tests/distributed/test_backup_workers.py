"""The fastest of several workers: whose images count, and how long a step takes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax.config import Average, Config, Data, Model, Optimizer, Parallelism
from inception_jax.distributed.backup_workers import fastest
from inception_jax.distributed.clock import duration
from inception_jax.distributed.mesh import make_mesh, put_batch
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.schedules import make_schedule
from inception_jax.training.state import init_state
from inception_jax.training.step import jit_train_step, make_train_step
from tests.fake_network import FakeNetwork, fake_batch

BACKUP = Parallelism("backup_workers", replicas=4, backups=2, times="exponential:1.0")
CONFIG = Config(
    batch_size=48,
    steps=20,
    data=Data(image_size=8),
    model=Model(bn_group_size=8),
    optimizer=Optimizer(learning_rate=0.1),
    average=Average(decay=0.9),
    parallelism=BACKUP,
)
SEED = jnp.uint32(0)


def order_at(step):
    times = np.array([duration(BACKUP, SEED, jnp.int32(worker), jnp.int32(step)) for worker in range(6)])
    return np.argsort(times), np.sort(times)


def trained(config, batches, devices=1):
    mesh = make_mesh(jax.devices()[:devices])
    schedule = make_schedule(config, 1000)
    optimizer, network = make_optimizer(config.optimizer, schedule), FakeNetwork()
    state = init_state(network, config, optimizer, mesh)
    step = make_train_step(network, config, optimizer=optimizer, schedule=schedule, mesh=mesh)
    step, rows = jit_train_step(step, mesh, state), []
    for batch in batches:
        state, metrics = step(state, put_batch(batch, mesh))
        rows.append(jax.device_get(metrics))
    return jax.device_get(state), rows


BATCHES = [jax.device_get(fake_batch(48, seed=seed)) for seed in range(4)]


@pytest.fixture(scope="module")
def backed_up():
    return trained(CONFIG, BATCHES)


def assert_same(found, expected, rtol=0.0):
    for field in ("params", "batch_stats", "opt_state", "average"):
        pairs = zip(jax.tree.leaves(getattr(found, field)), jax.tree.leaves(getattr(expected, field)), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=field)


def test_what_the_slowest_read_reaches_nothing(backed_up):
    poisoned = []
    for step, batch in enumerate(BATCHES):
        dropped = np.isin(np.arange(48) // 8, order_at(step)[0][4:])
        image = np.where(dropped[:, None, None, None], 255 - batch["image"], batch["image"])
        poisoned.append({**batch, "image": image, "label": np.where(dropped, 9 - batch["label"], batch["label"])})
    state, rows = trained(CONFIG, poisoned)
    assert_same(state, backed_up[0])
    assert [row["loss"] for row in rows] == [row["loss"] for row in backed_up[1]]


def test_it_is_synchronous_training_on_what_the_fastest_read(backed_up):
    kept = []
    for step, batch in enumerate(BATCHES):
        counted = np.isin(np.arange(48) // 8, order_at(step)[0][:4])
        kept.append({name: rows[counted] for name, rows in batch.items()})
    state, rows = trained(dataclasses.replace(CONFIG, batch_size=32, parallelism=Parallelism()), kept)
    assert_same(state, backed_up[0], rtol=1e-6)
    assert [row["examples"] for row in backed_up[1]] == [32] * 4
    np.testing.assert_allclose([row["loss"] for row in rows], [row["loss"] for row in backed_up[1]], rtol=1e-6)


def test_a_step_ends_with_the_last_gradient_that_counts(backed_up):
    waited = [order_at(step)[1][3] for step in range(4)]
    np.testing.assert_allclose([row["simulated_time"] for row in backed_up[1]], np.cumsum(waited), rtol=1e-5)


def test_the_mesh_changes_nothing_but_rounding(backed_up):
    state, rows = trained(CONFIG, BATCHES, devices=4)
    assert_same(state, backed_up[0], rtol=2e-5)
    assert [row["examples"] for row in rows] == [32] * 4


@pytest.mark.parametrize("backups", [0, 1, 4])
def test_the_mean_wait_is_that_of_order_statistics(backups):
    # The n-th of m exponential times is sum(1 / k) for k from m - n + 1 to m on average.
    config = dataclasses.replace(BACKUP, replicas=8, backups=backups)
    batch = {"label": jnp.arange(config.workers)}
    waits = jax.vmap(lambda step: fastest(batch, config, SEED, step)[1])(jnp.arange(20_000))
    expected = sum(1 / k for k in range(backups + 1, config.workers + 1))
    spread = sum(1 / k**2 for k in range(backups + 1, config.workers + 1)) ** 0.5
    assert waits.mean() == pytest.approx(expected, abs=4 * spread / 20_000**0.5)


@pytest.mark.parametrize("times", ["lognormal:0.7", "exponential:0.4", "equal"])
def test_a_gradient_takes_one_on_average(times):
    config = Parallelism("backup_workers", times=times)
    drawn = jax.vmap(lambda number: duration(config, SEED, jnp.int32(1), number))(jnp.arange(20_000))
    assert drawn.mean() == pytest.approx(1, abs=0.02)


def test_recorded_times_are_drawn_as_often_as_they_were_recorded():
    config = Parallelism("backup_workers", times="1,1,1,5")
    drawn = jax.vmap(lambda number: duration(config, SEED, jnp.int32(0), number))(jnp.arange(4000))
    assert set(np.asarray(drawn).tolist()) == {1.0, 5.0}
    assert (drawn == 5).mean() == pytest.approx(0.25, abs=0.03)


def test_a_worker_keeps_its_own_pace():
    config = Parallelism("backup_workers", times="equal", spread=0.5)
    workers, numbers = jnp.arange(2000), jnp.arange(3)
    drawn = np.asarray(jax.vmap(lambda w: jax.vmap(lambda n: duration(config, SEED, w, n))(numbers))(workers))
    assert (drawn == drawn[:, :1]).all()
    assert np.log(drawn[:, 0]).std() == pytest.approx(0.5, rel=0.1)
