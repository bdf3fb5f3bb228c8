import json
import os

import pytest

from inception_jax.reporting.reproduction.runs import RunError, find_runs, read_run
from tests.reporting.reproduction.made_runs import config_of, made_run

CONFIG = config_of("bn_inception/bn_x5.py")


@pytest.fixture
def run(tmp_path):
    return made_run(tmp_path / "run", CONFIG, steps=3750)


def test_a_complete_run_is_complete_without_results_and_checkpoints(run):
    found = read_run(run)
    assert found.status == "complete"
    assert found.total_steps == 3750  # two epochs of 60,000 images in batches of 32
    assert found.device == "1 x cpu"
    assert found.seconds == pytest.approx(3750 * 32 / 1000)
    (run / "results.json").write_text(json.dumps({"steps": 3750, "seconds": 200.0}))
    assert read_run(run).seconds == 200.0


def test_what_is_not_complete_says_why(tmp_path):
    stopped = read_run(made_run(tmp_path / "stopped", CONFIG, share=0.5, steps=3750))
    assert (stopped.status, stopped.last_step) == ("incomplete", 1872)
    diverged = read_run(made_run(tmp_path / "diverged", CONFIG, diverged=500, steps=3750))
    assert (diverged.status, diverged.diverged_at) == ("diverged", 500)
    (tmp_path / "stopped" / "metrics.jsonl").unlink()
    assert read_run(tmp_path / "stopped").status == "no metrics"
    (tmp_path / "diverged" / "metrics.jsonl").write_text('{"step": 5, "train/loss": 1.0}\n')
    assert read_run(tmp_path / "diverged").status == "incomplete"


def test_a_last_line_that_was_cut_is_left_out_and_said(run):
    path = run / "metrics.jsonl"
    whole = read_run(run)
    assert not whole.cut
    os.truncate(path, path.stat().st_size - 20)
    found = read_run(run)
    assert found.cut
    assert found.rows == whole.rows[:-1]
    assert found.status == "incomplete"


def test_a_damaged_line_in_the_middle_is_named(run):
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines()
    lines[3] = lines[3][:10]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 4: .*the run cannot be read"):
        read_run(run)


@pytest.mark.parametrize("text", ["{", '{"batch_size": -1}'])
def test_a_damaged_config_is_named(run, text):
    (run / "config.json").write_text(text)
    with pytest.raises(RunError, match=r"config\.json: .*the run cannot be read"):
        read_run(run)


def test_a_folder_of_runs_stands_for_them_and_none_is_read_twice(run):
    made_run(run.parent / "sweep" / "a", CONFIG)
    (run / "checkpoints" / "1").mkdir(parents=True)
    (run / "checkpoints" / "1" / "config.json").write_text("no run")
    found = find_runs([run.parent, run, run.parent / "sweep"])
    assert [one.path.name for one in found] == ["run", "a"]


def test_a_path_without_runs_is_named(tmp_path):
    with pytest.raises(RunError, match="absent: there is no such run directory"):
        find_runs([tmp_path / "absent"])
    with pytest.raises(RunError, match=r"is not a run directory and holds none: there is no config\.json"):
        find_runs([tmp_path])


def test_steps_to_an_accuracy_lie_between_two_validations(run):
    found = read_run(run)
    accuracies = dict(found.accuracy)
    assert found.steps_to(accuracies[234]) == (117, 234)
    assert found.steps_to(accuracies[117] - 0.01) == (0, 117)
    assert found.steps_to(0.99) is None
