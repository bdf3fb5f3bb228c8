"""The loop with a small network, in this process."""

import dataclasses
import io
import json
import os
import signal
import time

import jax
import numpy as np
import pytest

from inception_jax import models
from inception_jax.config import Average, Checkpoint, Config, ConfigError, Data, Evaluation, Log, Model, Optimizer
from inception_jax.data.decode import DecodeError
from inception_jax.data.sources import DataError
from inception_jax.distributed.mesh import make_mesh
from inception_jax.reporting.writers import read_metrics
from inception_jax.training import experiment, loop, run_directory
from inception_jax.training.experiment import build_network
from inception_jax.training.interruption import Interrupted
from inception_jax.training.loop import NonFiniteLoss, train
from inception_jax.training.run_directory import RunDirectoryError
from inception_jax.training.trained import load_trained
from tests.fake_network import FakeNetwork

# 1438 training images: 45 updates an epoch; validation after 9, 18, 20, checkpoints after 7, 9, 14, 18, 20.
CONFIG = Config(
    steps=20,
    batch_size=32,
    data=Data(image_size=8, eval_split="test", crop="shift", flip=False),
    optimizer=Optimizer(learning_rate=0.1),
    average=Average(decay=0.9),
    evaluation=Evaluation(every_epochs=0.2),
    checkpoint=Checkpoint(every_epochs=7 / 45, keep_last=3),
    log=Log(every_steps=4),
)
RATES = {"train/images_per_second", "train/data_wait_share"}


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    monkeypatch.setattr(models, "create", lambda *_, num_classes, **__: FakeNetwork(num_classes, dropout=0.2))


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(jax.devices()[:2])


class SignalAt(io.StringIO):
    """A terminal that sends this process a signal when it is told of a step."""

    def __init__(self, text, number):
        super().__init__()
        self.text, self.number = text, number

    def write(self, text):
        if self.text in text:
            os.kill(os.getpid(), self.number)
        return super().write(text)


def run(workdir, config=CONFIG, *, mesh, stream=None):
    return train(config, workdir, mesh=mesh, stream=stream or io.StringIO())


def rows(workdir):
    return [{k: v for k, v in row.items() if k not in RATES} for row in read_metrics(workdir / "metrics.jsonl")]


def final(workdir, mesh):
    return load_trained(workdir, "newest", mesh)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, mesh):
    workdir = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "create", lambda *_, num_classes, **__: FakeNetwork(num_classes, dropout=0.2))
        return workdir, run(workdir, mesh=mesh)


def assert_same_run(workdir, unbroken, mesh):
    assert rows(workdir) == rows(unbroken[0])
    found, expected = final(workdir, mesh), final(unbroken[0], mesh)
    assert found.step == expected.step == 20
    jax.tree.map(np.testing.assert_array_equal, found.variables, expected.variables)


def test_a_run_leaves_its_records(unbroken):
    workdir, results = unbroken
    found = rows(workdir)
    assert [r["step"] for r in found if "train/loss" in r] == [4, 8, 12, 16, 20]
    assert [r["step"] for r in found if "validation/top1" in r] == [9, 18, 20]
    assert all(r["validation/images"] == 359 for r in found if "validation/images" in r)
    assert results.items() >= {k: v for k, v in found[-1].items() if k != "step"}.items()
    assert results["steps"] == 20
    assert json.loads((workdir / "results.json").read_text()) == results
    assert run_directory.read_config(workdir) == CONFIG
    environment = json.loads((workdir / "environment.json").read_text())
    assert environment["jax"] == jax.__version__
    assert len(environment["devices"]) == len(jax.devices())
    assert list(workdir.glob("*.png"))
    assert list(workdir.glob("events*"))


def test_a_finished_run_is_not_trained_again(unbroken, mesh, monkeypatch):
    workdir, results = unbroken
    monkeypatch.setattr(loop, "_Run", None)
    assert run(workdir, mesh=mesh) == results


class ClockSetAt(io.StringIO):
    """A terminal that sets the clock when it is told of a step."""

    def __init__(self, text, seconds, monkeypatch):
        super().__init__()
        self.text, self.seconds, self.now, self.offset = text, seconds, time.time, 0
        monkeypatch.setattr(time, "time", lambda: self.now() + self.offset)

    def write(self, text):
        if self.text in text:
            self.offset = self.seconds
        return super().write(text)


@pytest.mark.parametrize("seconds", [86_400, -86_400])
def test_a_clock_that_is_set_changes_nothing(tmp_path, unbroken, mesh, monkeypatch, seconds):
    clock = ClockSetAt("step  4/20", seconds, monkeypatch)
    results = run(tmp_path, mesh=mesh, stream=clock)
    assert clock.offset == seconds
    assert_same_run(tmp_path, unbroken, mesh)
    assert 0 < results["seconds"] < 3600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_next_start_continues_bitwise(tmp_path, unbroken, mesh, number):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=rf"stopped by {number.name} after step \d+, saved in .*resume") as stopped:
        run(tmp_path, mesh=mesh, stream=SignalAt("step 12/20", number))
    assert stopped.value.signal == number
    assert stopped.value.checkpoint.is_dir()
    assert stopped.value.step in (12, 13)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert run_directory.read_results(tmp_path) is None
    stream = io.StringIO()
    results = run(tmp_path, mesh=mesh, stream=stream)
    assert f"resuming after step {stopped.value.step}" in stream.getvalue()
    assert_same_run(tmp_path, unbroken, mesh)
    assert {k: v for k, v in results.items() if k != "seconds"} == {
        k: v for k, v in unbroken[1].items() if k != "seconds"
    }


@pytest.mark.parametrize("step", [9, 20])
def test_a_signal_during_validation_puts_it_off_to_the_next_start(tmp_path, unbroken, mesh, monkeypatch, step):
    whole = loop.Evaluator.__call__

    def signalled(self, variables, *, on_batch):
        os.kill(os.getpid(), signal.SIGTERM)
        return whole(self, variables, on_batch=on_batch)

    with monkeypatch.context() as patch:
        config = CONFIG if step == 9 else dataclasses.replace(CONFIG, evaluation=Evaluation(every_epochs=0))
        patch.setattr(loop.Evaluator, "__call__", signalled)
        with pytest.raises(Interrupted) as stopped:
            run(tmp_path, config, mesh=mesh)
    assert stopped.value.step == step
    assert not any("validation/top1" in row for row in rows(tmp_path))
    run(tmp_path, CONFIG, mesh=mesh)  # how often to validate may change
    expected = [row for row in rows(unbroken[0]) if "train/loss" in row or row["step"] >= step]
    assert rows(tmp_path) == (rows(unbroken[0]) if step == 9 else expected)


def test_a_second_ctrl_c_interrupts_at_once(tmp_path, mesh):
    class Twice(SignalAt):
        def write(self, text):
            if self.text in text:
                os.kill(os.getpid(), signal.SIGINT)
            return super().write(text)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, mesh=mesh, stream=Twice("step  4/20", signal.SIGINT))


def test_a_crash_anywhere_resumes_bitwise(tmp_path, unbroken, mesh, monkeypatch):
    whole = loop._Run._write

    class Crash(Exception):
        pass

    for step in (8, 12, 20):

        def crash(self, values, at, step=step):
            if at == step:
                raise Crash
            whole(self, values, at)

        with monkeypatch.context() as patch:
            patch.setattr(loop._Run, "_write", crash)
            with pytest.raises(Crash):
                run(tmp_path, mesh=mesh)
    run(tmp_path, mesh=mesh)
    assert_same_run(tmp_path, unbroken, mesh)


def test_another_config_is_refused_and_neutral_changes_are_not(unbroken, tmp_path, mesh):
    workdir, results = unbroken
    other = dataclasses.replace(CONFIG, optimizer=Optimizer(learning_rate=0.2), seed=3)
    with pytest.raises(RunDirectoryError, match=r"seed: 0 -> 3, optimizer\.learning_rate: 0\.1 -> 0\.2"):
        run(workdir, other, mesh=mesh)
    assert run_directory.read_config(workdir) == CONFIG
    assert run(workdir, dataclasses.replace(CONFIG, checkpoint=Checkpoint(keep_last=9)), mesh=mesh) == results


def test_divergence_stops_the_run_and_names_what_is_known(tmp_path, mesh, monkeypatch):
    network = FakeNetwork(norm=False)
    monkeypatch.setattr(models, "create", lambda *_, **__: network)
    optimizer = Optimizer(learning_rate=1e3, momentum=0.99)
    config = dataclasses.replace(CONFIG, steps=400, average=Average(), optimizer=optimizer)
    with pytest.raises(NonFiniteLoss) as found:
        run(tmp_path, config, mesh=mesh)
    message = str(found.value)
    assert "at learning rate 1000" in message
    last = max(int(p.name) for p in (tmp_path / "checkpoints").iterdir())
    assert f"the last good checkpoint is {tmp_path / 'checkpoints' / str(last)}" in message
    step = int(message.split()[1])
    assert last < step
    assert read_metrics(tmp_path / "metrics.jsonl")[-1] == {
        "step": step,
        "train/learning_rate": 1000.0,
        "train/diverged": 1.0,
    }
    state = final(tmp_path, mesh)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state.variables))


def test_a_workdir_that_cannot_be_made_is_refused_early(tmp_path, mesh, monkeypatch):
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setattr(loop, "_Run", None)  # nothing is compiled
    with pytest.raises(RunDirectoryError, match=r"file/run cannot be written: Not a directory"):
        run(tmp_path / "file" / "run", mesh=mesh)


def test_a_read_only_workdir_is_refused_early(tmp_path, mesh, monkeypatch):
    def read_only(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(loop, "_Run", None)
    monkeypatch.setattr(run_directory.tempfile, "TemporaryFile", read_only)
    with pytest.raises(RunDirectoryError, match=r"cannot be written: Read-only file system; free space, or choose"):
        run(tmp_path, mesh=mesh)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_one_clear_error(tmp_path, mesh, monkeypatch):
    def full(self, step, values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop.MetricWriter, "write", full)
    with pytest.raises(RunDirectoryError, match=r"No space left on device"):
        run(tmp_path, mesh=mesh)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "config.json"
    run_directory.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        run_directory.write_json(path, {"a": {1, 2}})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["{", '{"batch_sice": 3}', ""])
def test_a_config_that_cannot_be_read_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunDirectoryError, match=r"config\.json cannot be read"):
        run_directory.read_config(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 31}, ConfigError, r"config\.batch_size \(31\) must be a multiple of 2"),
        ({"data": Data(source="digits", eval_split="nosuch")}, DataError, "nosuch"),
    ],
)
def test_what_cannot_run_is_refused_before_the_workdir_exists(tmp_path, mesh, changes, error, message):
    with pytest.raises(error, match=message):
        run(tmp_path / "run", dataclasses.replace(CONFIG, **changes), mesh=mesh)
    assert not (tmp_path / "run").exists()


def test_unreadable_images_are_counted_in_every_row_whatever_the_interruptions(tmp_path, mesh, monkeypatch):
    whole = experiment.open_source

    def damaged(spec, split, data_dir):
        source = whole(spec, split, data_dir)

        def read(index):
            if split != "test" and index % 60 == 7:
                raise DecodeError(f"record {index}: damaged")
            return source.read(index)

        return dataclasses.replace(source, read=read)

    monkeypatch.setattr(experiment, "open_source", damaged)
    run(tmp_path / "whole", mesh=mesh)
    with pytest.raises(Interrupted):
        run(tmp_path / "stopped", mesh=mesh, stream=SignalAt("step 12/20", signal.SIGTERM))
    run(tmp_path / "stopped", mesh=mesh)
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")
    counts = [row["data/unreadable"] for row in rows(tmp_path / "whole") if "train/loss" in row]
    assert counts == sorted(counts)
    assert 0 < counts[-1] <= 24, "of 1438 images 24 are damaged, and 640 were seen"


def test_splits_of_other_classes_are_refused(tmp_path, mesh, monkeypatch):
    whole = experiment.open_source

    def fewer(spec, split, data_dir):
        source = whole(spec, split, data_dir)
        return dataclasses.replace(source, class_names=source.class_names[:9]) if split == "test" else source

    monkeypatch.setattr(experiment, "open_source", fewer)
    with pytest.raises(ConfigError, match=r"config\.data\.eval_split \(test\) has other classes .* 9 and 10"):
        run(tmp_path, mesh=mesh)


def test_trained_weights_are_found_by_what_is_asked(unbroken, tmp_path, mesh):
    workdir, _ = unbroken
    scores = {r["step"]: r["validation/top1"] for r in rows(workdir) if "validation/top1" in r}
    assert load_trained(workdir, mesh=mesh).step == max(scores, key=lambda step: (scores[step], step))
    newest = load_trained(workdir, "newest", mesh)
    assert newest.step == 20
    assert newest.class_names == tuple("0123456789")
    with pytest.raises(RunDirectoryError, match=r"no checkpoint of step 3; it has .*20"):
        load_trained(workdir, 3, mesh)
    with pytest.raises(RunDirectoryError, match=r"is not a run directory: it has no config\.json"):
        load_trained(tmp_path, mesh=mesh)
    run_directory.record(tmp_path, CONFIG)
    with pytest.raises(RunDirectoryError, match="has no checkpoint yet"):
        load_trained(tmp_path, mesh=mesh)


def test_model_errors_name_the_field(monkeypatch):
    monkeypatch.undo()  # the real networks
    with pytest.raises(ConfigError, match=r"config\.model: .*googlenet_"):
        build_network(dataclasses.replace(CONFIG, model=Model(name="googlenet_")), 10)
    small = dataclasses.replace(CONFIG, model=Model(name="inception_v3", width=0.1), data=Data(image_size=50))
    with pytest.raises(
        ConfigError, match=r"image_size \(50\) is too small for inception_v3, whose smallest input is"
    ) as e:
        build_network(small, 10)
    smallest = int(str(e.value).split("smallest input is ")[1].split(":")[0])
    build_network(dataclasses.replace(small, data=Data(image_size=smallest)), 10)
    with pytest.raises(ConfigError, match="too small"):
        build_network(dataclasses.replace(small, data=Data(image_size=smallest - 1)), 10)
