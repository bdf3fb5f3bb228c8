import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import step
from benchmarks.process import Contender
from benchmarks.worker import Task

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stand_ins(monkeypatch):
    """Stand-ins for every contender; those named "torch" die."""

    def start(task, say):
        changed = task.__dict__ | {"network": "exits" if task.contender == "torch" else "sleeps"}
        return Contender(Task(**changed), [sys.executable, "-m", "tests.benchmarks.stand_in"])

    monkeypatch.setattr(step, "start", start)


def test_each_mode_is_a_file_that_the_report_can_read(stand_ins, tmp_path, capsys):
    words = ["inception_v3", "--contenders=ours,plain", "--rounds=2", "--round-seconds=0.01", f"--results={tmp_path}"]
    assert step.main(words) == 0
    paths = sorted(tmp_path.glob("*.json"))
    assert [path.name for path in paths] == [
        f"inception_v3-torchvision-299px-batch8-{mode}.json" for mode in ("infer", "train")
    ]
    for path in paths:
        run = json.loads(path.read_text())
        assert [entry["name"] for entry in run["contenders"]] == ["ours", "plain"]
        assert all(len(entry["seconds_per_step"]) == 2 for entry in run["contenders"])
        assert run["command"].startswith("python benchmarks/step.py inception_v3 --contenders=ours,plain")
        assert run["environment"]["cores"] == os.cpu_count()
    out = capsys.readouterr()
    assert "inception_v3, train" in out.out
    assert "against plain" in out.out
    assert "ETA" in out.err


def test_a_failure_is_an_exit_code_and_the_others_are_kept(stand_ins, tmp_path):
    words = ["googlenet", "--mode=train", "--contenders=plain,torch", "--rounds=3", f"--results={tmp_path}"]
    assert step.main([*words, "--round-seconds=0.01", "--width=0.5"]) == 1
    plain, torch = json.loads((tmp_path / "googlenet-torchvision-224px-batch8-width0.5-train.json").read_text())[
        "contenders"
    ]
    assert len(plain["seconds_per_step"]) == 3
    assert "out of luck" in torch["failed"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inception_v9"], "invalid choice: 'inception_v9'"),
        (["googlenet", "--contenders=ours,plian"], "'plian' is not one of ours"),
        (["googlenet", "--variant=papper"], "did you mean paper?"),
        (["googlenet", "--batch=0"], "must be at least 1"),
    ],
)
def test_bad_requests_are_named(words, message, capsys):
    with pytest.raises(SystemExit) as exit:
        step.main(words)
    assert exit.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("script", ["step.py", "report.py"])
def test_scripts_start_as_files_from_anywhere(script, tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / script, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "benchmarks/results" in done.stdout


@pytest.mark.slow  # compiles two networks in both modes
def test_ours_and_plain_do_real_steps(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "step.py", "googlenet", "--contenders=ours,plain", "--width=0.05"]
    small = ["--image-size=32", "--batch=8", "--rounds=2", "--round-seconds=0.1", f"--results={tmp_path}"]
    done = subprocess.run([*command, *small], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in tmp_path.glob("*.json"):
        ours, plain = json.loads(path.read_text())["contenders"]
        assert ours["parameters"] == plain["parameters"] > 10_000
        assert ours["compile_seconds"] > 0
