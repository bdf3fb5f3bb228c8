"""The line that a person watches while a split is evaluated."""

import io

import pytest

from inception_jax.reporting.progress import EvaluationProgress
from tests.reporting.test_progress import Clock, Terminal, screen


def watch(stream, batches, *, images, views=1):
    """The lines after batches of (images, seconds)."""
    clock = Clock()
    with EvaluationProgress(images, views=views, stream=stream, clock=clock) as progress:
        for count, seconds in batches:
            clock.spend(seconds)
            progress.update(count)
        progress.finish()
    return screen(stream.getvalue())


def test_the_first_batch_compiles_and_counts_in_no_rate():
    lines = watch(io.StringIO(), [(10, 100.0), (10, 40.0), (10, 40.0)], images=30, views=144)
    assert lines == [
        "10/30 images",
        "20/30 images  0.25 images/s  36 views/s  ETA 0:00:40",
        "30 images in 180.0 s  0.25 images/s  36 views/s",
        "",
    ]


def test_a_single_batch_is_all_there_is():
    assert watch(io.StringIO(), [(30, 60.0)], images=30) == ["30 images in 60.0 s  0.5 images/s", ""]


def test_the_last_batch_is_counted_without_its_padding():
    lines = watch(io.StringIO(), [(8, 1.0), (8, 1.0), (4, 0.5)], images=20, views=12)
    assert lines == ["20 images in 2.5 s  8 images/s  96 views/s", ""]


def test_a_terminal_shows_one_line_and_keeps_the_last():
    terminal = Terminal()
    lines = watch(terminal, [(10, 1.0)] * 6, images=60)
    assert lines == ["60 images in 6.0 s  10 images/s", ""]
    assert terminal.getvalue().count("ETA") == 4


def test_a_file_gets_a_line_every_half_minute():
    lines = watch(io.StringIO(), [(1, 1.0)] * 100, images=100)
    assert [line.split()[0] for line in lines[:-2]] == ["30/100", "60/100", "90/100"]


def test_batches_that_take_no_time_are_no_error():
    assert watch(io.StringIO(), [(5, 0.0), (5, 0.0)], images=10)[0] == "10 images in 0.0 s  0 images/s"


def test_an_evaluation_that_fails_ends_its_line():
    terminal, clock = Terminal(), Clock()

    def fail():
        with EvaluationProgress(9, stream=terminal, clock=clock) as progress:
            clock.spend(1.0)
            progress.update(3)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert screen(terminal.getvalue()) == ["3/9 images", ""]
