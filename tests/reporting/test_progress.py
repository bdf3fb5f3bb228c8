import contextlib
import io
import os
import pty
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.reporting.progress import Progress


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def spend(self, seconds):
        self.now += seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


def screen(text: str) -> list[str]:
    """What a terminal shows after `text`: carriage returns, erasing to the end of line, and new lines."""
    lines, column = [""], 0
    for token in re.findall(r"\x1b\[K|\r|\n|[^\x1b\r\n]+", text):
        if token == "\n":
            lines.append("")
            column = 0
        elif token == "\r":
            column = 0
        elif token == "\x1b[K":
            lines[-1] = lines[-1][:column]
        else:
            lines[-1] = lines[-1][:column] + token + lines[-1][column + len(token) :]
            column += len(token)
    return lines


def update(progress, clock, *, wait, compute):
    with progress.waiting_for_data():
        clock.spend(wait)
    clock.spend(compute)


# Binary fractions, so that sums are exact.
seconds = st.integers(0, 64).map(lambda n: n / 8)


@given(
    updates=st.lists(st.tuples(seconds, seconds.filter(bool)), min_size=1, max_size=6),
    pauses=st.lists(seconds, max_size=6),
    left=st.integers(0, 50),
)
def test_rates_are_those_of_a_run_without_its_pauses(updates, pauses, left):
    clock = Clock()
    progress = Progress(100 + len(updates) + left, first_step=100, images_per_step=32, clock=clock)
    for i, (wait, compute) in enumerate(updates):
        update(progress, clock, wait=wait, compute=compute)
        with progress.paused():
            clock.spend(pauses[i] if i < len(pauses) else 0.0)
    waiting = sum(wait for wait, _ in updates)
    active = waiting + sum(compute for _, compute in updates)
    assert progress.rates() == {
        "images_per_second": pytest.approx(32 * len(updates) / active, rel=1e-12),
        "data_wait_share": pytest.approx(waiting / active, rel=1e-12),
        "eta_seconds": pytest.approx(left * active / len(updates), rel=1e-12),
    }


def test_rates_cover_the_interval_since_the_last_call():
    clock = Clock()
    progress = Progress(10, images_per_step=8, clock=clock)
    update(progress, clock, wait=0.0, compute=50.0)  # the step that compiles
    progress.rates()
    update(progress, clock, wait=1.0, compute=1.0)
    update(progress, clock, wait=0.0, compute=2.0)
    assert progress.rates() == {"images_per_second": 4.0, "data_wait_share": 0.25, "eta_seconds": 14.0}


def test_nested_pauses_count_once():
    clock = Clock()
    progress = Progress(2, images_per_step=1, clock=clock)
    update(progress, clock, wait=0.0, compute=1.0)
    with progress.paused():
        clock.spend(3.0)
        with progress.paused():
            clock.spend(5.0)
        clock.spend(7.0)
    assert progress.rates()["images_per_second"] == 1.0


def test_a_pause_that_raises_is_still_left_out():
    clock = Clock()
    progress = Progress(2, images_per_step=1, clock=clock)
    update(progress, clock, wait=0.0, compute=1.0)
    with contextlib.suppress(KeyError), progress.paused():
        clock.spend(9.0)
        raise KeyError
    assert progress.rates()["images_per_second"] == 1.0


def test_a_wait_that_brings_no_batch_is_no_update():
    clock = Clock()
    progress = Progress(4, images_per_step=1, clock=clock)
    update(progress, clock, wait=1.0, compute=1.0)
    with contextlib.suppress(StopIteration), progress.waiting_for_data():
        clock.spend(2.0)
        raise StopIteration
    assert progress.rates() == {"images_per_second": 0.25, "data_wait_share": 0.75, "eta_seconds": 12.0}


def test_an_interval_without_updates_has_no_estimate():
    progress = Progress(10, images_per_step=8, clock=Clock())
    assert progress.rates() == {"images_per_second": 0.0, "data_wait_share": 0.0, "eta_seconds": float("inf")}


TRAIN = {
    "train/loss": 0.34567,
    "train/learning_rate": 0.0125,
    "train/images_per_second": 1234.6,
    "train/data_wait_share": 0.034,
    "train/gradient_norm": 3.0,
}


def run(stream):
    """Two training rows, one validation row, and one training row more."""
    clock = Clock()
    with Progress(2000, images_per_step=32, stream=stream, clock=clock) as progress:
        for step in (998, 999):
            update(progress, clock, wait=0.5, compute=0.5)
            progress.rates()
            progress.line(step, TRAIN)
        progress.line(999, {"validation/loss": 0.5, "validation/top1": 0.98765, "validation/images": 10000.0})
        progress.line(1000, TRAIN)


def test_a_pipe_gets_one_plain_line_a_row():
    stream = io.StringIO()
    run(stream)
    text = stream.getvalue()
    lines = text.splitlines()
    assert "\r" not in text
    assert "\x1b" not in text
    assert len(lines) == 4
    assert lines[0] == (
        "step   998/2,000  loss 0.3457  lr 0.0125  1,235 images/s  data wait 3%  ETA 0:33:19"  # 1,999 updates of 1 s
    )
    assert lines[2] == "step   999/2,000  validation loss 0.5000  top-1 98.77%  of 10,000 images"


def test_a_terminal_rewrites_training_rows_and_keeps_the_others(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    run(stream)
    shown = screen(stream.getvalue())
    assert len(shown) == 3
    assert shown[0].startswith("step   999/2,000  validation loss")
    assert shown[1].startswith("step 1,000/2,000  loss 0.3457")
    assert shown[2] == ""


def test_a_shorter_line_leaves_nothing_of_a_longer_one():
    stream = Terminal()
    progress = Progress(10, stream=stream, clock=Clock())
    progress.line(1, {"train/loss": 123456789.0})
    progress.line(2, {"train/loss": 1.0})
    assert screen(stream.getvalue()) == ["step  2/10  loss 1.0000"]


def test_a_narrow_terminal_gets_a_line_that_does_not_wrap(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    Progress(10, stream=stream, clock=Clock()).line(1, TRAIN)
    (line,) = screen(stream.getvalue())
    assert 20 < len(line) < 30


def test_a_real_terminal_is_recognised():
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream, os.fdopen(controller, "rb", buffering=0) as screen_side:
        progress = Progress(10, stream=stream, clock=Clock())
        progress.line(1, {"train/loss": 1.0})
        progress.line(2, {"train/loss": 2.0})
        seen = b""
        while b"loss 2.0000" not in seen:  # a terminal hands over what it has so far
            seen += screen_side.read(1000)
        assert b"\n" not in seen
        assert b"\r" in seen


def test_closing_twice_ends_the_line_once():
    stream = Terminal()
    progress = Progress(10, stream=stream, clock=Clock())
    progress.line(1, {"train/loss": 1.0})
    progress.close()
    progress.close()
    assert stream.getvalue().count("\n") == 1


def test_the_last_step_gives_no_estimate_and_the_unit_is_named():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(1, unit="update", stream=stream, clock=clock)
    update(progress, clock, wait=1.0, compute=1.0)
    progress.rates()
    progress.line(1, {"train/loss": float("nan")})
    assert stream.getvalue() == "update 1/1  loss nan\n"


def test_lines_go_to_standard_error_unless_told(capsys):
    Progress(10).line(3, {"validation/top1": 0.5})
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "step  3/10  top-1 50.00%\n"
