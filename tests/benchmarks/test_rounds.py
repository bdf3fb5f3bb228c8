import io
import sys

import pytest

from benchmarks.process import Contender, ContenderDied
from benchmarks.rounds import measure
from benchmarks.worker import Absent, Task


def task(contender="a", network="sleeps"):
    return Task(contender, network, "", "train", batch=4, image_size=8, width=1.0, dtype="float32")


def start(task, say=print):
    return Contender(task, [sys.executable, "-m", "tests.benchmarks.stand_in"])


def test_a_process_answers_whatever_its_libraries_print():
    with start(task()) as contender:
        ready = contender.ready()
        assert (ready.parameters, ready.compile_seconds, ready.versions) == (1_000_000, 12.0, {"stand-in": "1.0"})
        turn = contender.round(0.1)
    assert 2 <= turn.steps <= 5
    assert 0.1 <= turn.seconds < 1
    assert turn.seconds >= 0.02 * turn.steps
    # It has taken 256 MiB for a while at its start; in rounds it is a bare Python.
    assert 256e6 < ready.peak_bytes < 350e6
    assert 5e6 < turn.peak_bytes < 60e6


def test_a_waiting_process_sleeps():
    with start(task()) as contender, start(task("b")) as other:
        contender.ready()
        other.ready()
        contender.round(0)
        other.round(0.4)
        turn = contender.round(0)
    assert turn.steps == 1
    assert turn.idle_seconds >= 0.4
    assert turn.idle_cpu_seconds < 0.02 * turn.idle_seconds


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("dies", "a was killed by SIGKILL in a round"),
        ("exits", "a ended with exit code 3 in a round: out of luck"),
        ("diverges", "a ended with exit code 1 in a round: ArithmeticError: the loss became nan"),
    ],
)
def test_a_process_that_ends_is_named_with_its_last_words(network, message):
    with start(task(network=network)) as contender:
        contender.ready()
        contender.round(0)
        for _ in range(2):  # asked again, it is as dead
            with pytest.raises(ContenderDied, match=message):
                contender.round(0)


def test_a_process_that_cannot_begin_is_named():
    with start(task(network="broken")) as contender, pytest.raises(ContenderDied, match="RuntimeError: no such layer"):
        contender.ready()


def test_leaving_ends_the_process():
    with start(task()) as contender:
        contender.ready()
    assert contender._process.poll() is not None


def recorded(turns):
    """Starts contenders that append their name to `turns` at each."""

    class Recorded(Contender):
        def round(self, seconds):
            turns.append(self.name)
            return super().round(seconds)

    def start_recorded(task, say):
        if task.network == "elsewhere":
            raise Absent("it cannot be installed")
        return Recorded(task, [sys.executable, "-m", "tests.benchmarks.stand_in"])

    return start_recorded


def test_the_others_outlive_one_that_dies():
    turns = []

    tasks = [
        task("a"),
        task("eager"),
        task("mortal", "dies"),
        task("stranger", "unknown"),
        task("far", "elsewhere"),
        task("bad", "broken"),
    ]
    stream = io.StringIO()
    entries = measure(tasks, recorded(turns), rounds=3, round_seconds=0.05, stream=stream)

    assert [entry["name"] for entry in entries] == ["a", "eager", "mortal", "stranger", "far", "bad"]
    a, eager, mortal, stranger, far, bad = entries
    assert turns.count("a") == turns.count("eager") == 3
    assert 1 <= turns.count("mortal") <= 2
    assert (a["compile_seconds"], eager["compile_seconds"]) == (12.0, None)
    for entry in (a, eager):
        assert len(entry["seconds_per_step"]) == 3
        assert all(0.02 <= seconds < 0.5 for seconds in entry["seconds_per_step"])
        assert 5e6 < entry["round_peak_bytes"] <= entry["start_peak_bytes"]
        assert entry["idle_cpu_share"] < 0.05
    assert "SIGKILL" in mortal["failed"]
    assert stranger == {"name": "stranger", "absent": "it has no unknown"}
    assert far == {"name": "far", "absent": "it cannot be installed"}
    assert "no such layer" in bad["failed"]

    said = stream.getvalue()
    assert "a: compiled in 12 s, 1,000,000 parameters" in said
    assert "stranger: takes no part: it has no unknown" in said
    assert "round 3/3" in said
    assert "ETA 0:00:00" in said


def test_each_round_begins_with_another():
    turns = []

    measure([task("a"), task("b")], recorded(turns), rounds=3, round_seconds=0.0, stream=io.StringIO())
    assert turns == ["a", "b", "b", "a", "a", "b"]


def test_nobody_left_is_no_error():
    entries = measure([task(network="unknown")], start, rounds=2, round_seconds=0.1, stream=io.StringIO())
    assert entries == [{"name": "a", "absent": "it has no unknown"}]
