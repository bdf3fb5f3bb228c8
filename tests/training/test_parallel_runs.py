"""Whole runs with simulated workers: what they write, and that they resume to the bit."""

import dataclasses

import jax
import pytest

from inception_jax import models
from inception_jax.config import Model, Parallelism
from inception_jax.distributed.mesh import make_mesh
from inception_jax.training.interruption import Interrupted
from tests.fake_network import FakeNetwork
from tests.training.test_loop import CONFIG, SignalAt, assert_same_run, rows, run

WORKERS = {
    "backup_workers": Parallelism("backup_workers", replicas=2, backups=2, times="exponential:0.5"),
    "downpour": Parallelism("downpour", replicas=3, n_push=2, n_fetch=3, warm_start_steps=5, times="lognormal:0.5"),
}


@pytest.mark.parametrize("name", WORKERS)
def test_a_run_tells_its_time_and_resumes_bitwise(tmp_path, monkeypatch, name):
    monkeypatch.setattr(models, "create", lambda *_, num_classes, **__: FakeNetwork(num_classes, dropout=0.2))
    mesh = make_mesh(jax.devices()[:1])
    config = dataclasses.replace(CONFIG, model=Model(bn_group_size=8), parallelism=WORKERS[name])
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    results = run(whole, config, mesh=mesh)
    with pytest.raises(Interrupted):
        run(broken, config, mesh=mesh, stream=SignalAt("step 12/20", 15))
    assert run(broken, config, mesh=mesh)["validation/loss"] == results["validation/loss"]
    assert_same_run(broken, (whole, results), mesh)
    times = [row["train/simulated_time"] for row in rows(whole)]
    assert times == sorted(times)
    assert times[0] > 0
    stale = [row["train/staleness"] for row in rows(whole) if "train/staleness" in row]
    if name == "downpour":
        assert stale[0] == pytest.approx((0 + 0 + 1 + 0) / 4)  # alone: its own push, before it fetched again
        assert max(stale) > 0.5
    else:
        assert not stale
