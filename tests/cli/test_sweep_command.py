"""A sweep: which runs it has, that each is trained once, and what is made of runs that fail or are stopped."""

import contextlib
import csv
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from inception_jax.cli import sweep as sweep_command
from inception_jax.cli.main import main
from inception_jax.cli.sweep_members import members, name_of
from inception_jax.config import ConfigError
from inception_jax.distributed.launch import local
from inception_jax.distributed.launch.training import Training
from inception_jax.training.interruption import Interrupted
from inception_jax.training.loop import NonFiniteLoss, train
from tests.fake_network import FakeNetwork

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "experiments/quickstart/digits.py"
EXPERIMENT = """
from inception_jax.config import defaults

def get_config(argument=""):
    config = defaults()
    config.steps, config.batch_size = 3, 16
    config.data.update(image_size=8, train_split="train[:64]", eval_split="test[:16]", crop="none")
    config.evaluation.every_epochs = config.checkpoint.every_epochs = 0.25
    config.log.every_steps = 1
    config.model.options = {"argument": argument}
    return config

def sweep():
    for rate in (0.1, 0.2):
        yield {"optimizer.learning_rate": rate}
    yield {"optimizer.name": "adamw", "data.flip": False, "data.area": (0.5, 1.0)}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    Path("rates.py").write_text(EXPERIMENT)


def of(*flags, seeds=()):
    return {member.name: member for member in members(flags, seeds)}


def test_overrides_are_fields_and_the_directory_is_called_after_them():
    found = of("--config=rates.py:x", "--config.batch_size=8")
    assert list(found) == [
        "optimizer.learning_rate=0.1",
        "optimizer.learning_rate=0.2",
        "optimizer.name=adamw,data.flip=false,data.area=0.5,_1.0",
    ]
    assert [member.config.optimizer.learning_rate for member in found.values()] == [0.1, 0.2, 0.01]
    *_, last = found.values()
    assert (last.config.data.flip, last.config.data.area) == (False, (0.5, 1.0))
    assert all(m.config.batch_size == 8 and m.config.model.options == {"argument": "x"} for m in found.values())


def test_seeds_repeat_every_run_and_are_enough_for_a_sweep():
    assert len(of("--config=rates.py", seeds=(0, 1, 2))) == 9
    found = of(f"--config={DIGITS}", seeds=(3, 5))
    assert [(name, member.config.seed) for name, member in found.items()] == [("seed=3", 3), ("seed=5", 5)]


def test_another_experiment_is_named_relative_to_the_file_and_takes_arguments():
    Path("rows").mkdir()
    Path("rows/ladder.py").write_text(
        "def sweep():\n    yield {'config': '../rates.py'}\n    yield {'config': '../rates.py:big', 'tiny': True}\n"
    )
    found = of("--config=rows/ladder.py:z")
    assert list(found) == ["rates", "rates,big,tiny=true"]
    assert [m.flags for m in found.values()] == [("--config=rates.py:z",), ("--config=rates.py:big,tiny,z",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rates.py has no sweep"),
        ("def sweep(): yield {}; yield {}", "has unchanged twice"),
        ("def sweep(): return []", "yields nothing"),
        ("def sweep(): yield 3", "yields 3, not overrides"),
        ("def sweep(): yield {'optimizer.learning_rat': 1}", "did you mean config.optimizer.learning_rate"),
        ("def sweep(): yield {'batch_size': 2.5}", "batch_size"),
        ("def sweep(): return 1 / 0", "ZeroDivisionError"),
        ("def sweep(): yield {'seed': 1}", "--config.seed is what sweep"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_at_once(text, message):
    Path("rates.py").write_text(EXPERIMENT.partition("def sweep")[0] + text)
    with pytest.raises(ConfigError, match=message):
        members(["--config=rates.py", "--config.seed=4"])


def test_a_file_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"no experiment file 'nothing\.py'"):
        members(["--config=nothing.py"])
    Path("rates.py").write_text(EXPERIMENT + "    yield {'seed': 1}\n")
    with pytest.raises(ConfigError, match="has seeds of its own"):
        members(["--config=rates.py"], (0, 1))


def test_long_names_are_cut_and_stay_apart():
    long = [name_of({"data.source": f"folder:/{'a' * 200}{end}"}) for end in "bc"]
    assert long[0] != long[1]
    assert max(map(len, long)) < 140


@pytest.fixture
def trained(monkeypatch):
    """Runs are trained in this process, with a small network; returns their directories in the order of training."""
    calls = []
    monkeypatch.setattr(
        "inception_jax.models.create", lambda *_, num_classes, **__: FakeNetwork(num_classes, norm=False)
    )

    def run_alone(training: Training, environment):
        assert environment["JAX_COMPILATION_CACHE_DIR"]
        flags = [flag for flag in training.arguments if flag.startswith("--config")]
        workdir = Path(training.arguments[-1].partition("=")[2])
        calls.append(workdir.name)
        config = next(m.config for m in members(["--config=rates.py"]) if list(m.flags) == flags)
        stop = STOPS.get(workdir.name)
        with contextlib.ExitStack() as stack, open(os.devnull, "w") as nothing:
            if stop and not (workdir / "checkpoints").exists():
                timer = _KillAfterRow(workdir)
                stack.callback(timer.join)
                timer.start()
            try:
                train(config, workdir, stream=nothing)
            except Interrupted as error:
                return 128 + error.signal, error.signal
            except NonFiniteLoss:
                return 1, None
        return 0, None

    monkeypatch.setattr(local, "run_alone", run_alone)
    STOPS.clear()
    return calls


STOPS: dict[str, bool] = {}


class _KillAfterRow(threading.Thread):
    """Sends SIGTERM when the run has written its first row."""

    def __init__(self, workdir):
        super().__init__(daemon=True)
        self.workdir = workdir

    def run(self):
        path, deadline = self.workdir / "metrics.jsonl", time.monotonic() + 60
        while time.monotonic() < deadline and not (path.exists() and path.read_bytes()):
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)


def sweep(*flags):
    return main(["sweep", "--config=rates.py", "--workdir=runs", *flags])


def test_every_run_is_trained_once_and_the_table_has_them_all(trained, capsys):
    assert sweep("--format=json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in rows] == trained
    assert {row["status"] for row in rows} == {"finished"}
    assert [row["optimizer.learning_rate"] for row in rows] == [0.1, 0.2, None]
    results = [json.loads((Path("runs") / name / "results.json").read_text()) for name in trained]
    assert [row["top1_error"] for row in rows] == [1 - result["validation/top1"] for result in results]
    assert [row["step"] for row in rows] == [3, 3, 3]
    with open("runs/sweep.csv") as file:
        assert [row["run"] for row in csv.DictReader(file)] == trained
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("metrics.jsonl")}
    assert sweep() == 0
    assert len(trained) == 3
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert "3 of 3 runs are done" in capsys.readouterr().err
    # Another sweep in the same place is refused before anything is trained.
    Path("rates.py").write_text(EXPERIMENT.replace("steps, config.batch_size = 3", "steps, config.batch_size = 4"))
    assert sweep() == 2
    assert "steps: 3 -> 4" in capsys.readouterr().err


def test_a_run_that_fails_is_named_and_the_rest_go_on(trained, capsys):
    overflow = '    yield {"optimizer.learning_rate": 1000.0, "optimizer.multipliers": "kernel=1e38"}\n'
    Path("rates.py").write_text(
        EXPERIMENT.replace("(0.1, 0.2)", "(0.2,)").replace("def sweep():\n", f"def sweep():\n{overflow}")
    )
    assert sweep("--format=csv") == 1
    out, error = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["status"] for row in rows] == ["diverged", "finished", "finished"]
    name = "optimizer.learning_rate=1000.0,optimizer.multipliers=kernel=1e38"
    assert f"{name} diverged: inception-jax train --config=rates.py" in error
    assert "[3/3] optimizer.name=adamw" in error
    assert "ETA" in error
    # It would diverge again, at the same step.
    assert sweep() == 0
    assert len(trained) == 3


def test_a_sweep_that_is_stopped_goes_on_where_it_was(trained, capsys):
    assert sweep() == 0
    whole = [Path("runs") / name / "metrics.jsonl" for name in trained]
    expected = [without_rates(path) for path in whole]
    Path("runs").rename("unbroken")
    trained.clear()
    STOPS["optimizer.learning_rate=0.2"] = True
    assert sweep() == 128 + signal.SIGTERM
    assert "run the same command again to continue" in capsys.readouterr().err
    assert len(trained) == 2
    assert sweep("--results", "--only=0.1", "--format=csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert sweep("--results", "--format=json") == 0
    statuses = [row["status"] for row in json.loads(capsys.readouterr().out)]
    assert statuses == ["finished", "stopped", "not started"]
    assert sweep() == 0
    assert trained == [trained[0], trained[1], trained[1], trained[3]]
    assert [without_rates(path) for path in whole] == expected


def without_rates(path):
    rates = ("train/images_per_second", "train/data_wait_share")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in rates} for row in rows]


def test_two_sweeps_do_not_share_a_directory(trained, capsys):
    Path("runs").mkdir()
    with sweep_command.locked(Path("runs")):
        assert sweep() == 2
    assert "is training in runs" in capsys.readouterr().err


def test_a_signal_stops_the_run_alone_and_is_reported(monkeypatch):
    monkeypatch.setattr(
        local,
        "_MAIN",
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "open('ready', 'w').close()\ntime.sleep(300)",
    )

    def kill():
        while not Path("ready").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=kill)
    thread.start()
    assert local.run_alone(Training(("train",), "x"), {}) == (143, signal.SIGTERM)
    thread.join()
    monkeypatch.setattr(local, "_MAIN", "import os, sys; sys.exit(int(os.environ['CODE']))")
    assert local.run_alone(Training(("train",), "x"), {"CODE": "7"}) == (7, None)


def test_a_job_of_each_run_is_written(capsys):
    assert sweep("--on=gke", "--image=i", "--jobs=jobs") == 0
    lines = capsys.readouterr().out.splitlines()
    files = sorted(Path("jobs").iterdir())
    assert sorted(lines) == [f"kubectl apply --filename jobs/{file.name}" for file in files]
    names = set()
    for file in files:
        _, job = yaml.safe_load_all(file.read_text())
        names.add(job["metadata"]["name"])
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        assert command[-1] == f"--workdir=runs/{file.stem}"
    assert names == {"runs-1", "runs-2", "runs-3"}
    assert sweep("--on=gke", "--image=i", "--jobs=jobs") == 2  # never over files that are there


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--on=slurm"], "--jobs=DIR"),
        (["--on=tpu-vm", "--jobs=jobs"], "needs --zone"),
        (["--results", "--only=rmsprop"], "leaves none of optimizer.learning_rate=0.1"),
        (["--results", "--only=("], "no regular expression"),
    ],
)
def test_mistakes_are_named(capsys, flags, message):
    assert sweep(*flags) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("seeds", ["0,x", "1,1"])
def test_seeds_that_are_none_are_refused(capsys, seeds):
    with pytest.raises(SystemExit):
        sweep(f"--seeds={seeds}")
    assert "--seeds" in capsys.readouterr().err
