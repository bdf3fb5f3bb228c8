"""Commands that run beside one another, as the miniature reproductions do."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.reproductions import side_by_side

ROOT = Path(__file__).parents[1]
# Writes when it began and ended, in `sys.argv[1]`.
SPAN = """
import sys, time
began = time.time()
time.sleep(0.4)
open(sys.argv[1], "w").write(f"{began} {time.time()}")
"""


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_than_were_asked_for_run_at_a_time(tmp_path, at_once):
    commands = {str(i): python(SPAN, tmp_path / str(i)) for i in range(4)}
    assert side_by_side.run(commands, at_once=at_once, environment={}) == 0
    spans = [tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir()]
    together = [sum(began <= start < ended for began, ended in spans) for start, _ in spans]
    assert max(together) == at_once


def test_lines_stand_behind_names_and_the_highest_exit_code_is_returned(capfd):
    say = "import os, sys; print(os.environ['WORD'], sys.argv[1]); sys.exit(int(sys.argv[1]))"
    commands = {name: python(say, code) for name, code in {"a": 0, "b": 3, "c": 1}.items()}
    assert side_by_side.run(commands, at_once=1, environment={"WORD": "code"}) == 3
    # Threads print, one a command.
    assert sorted(capfd.readouterr().err.splitlines()) == ["[a] code 0", "[b] code 3", "[c] code 1"]


def test_a_process_that_a_signal_ended_counts_as_a_shell_counts_it():
    ended = python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert side_by_side.run({"a": ended}, at_once=1, environment={}) == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_nothing_else_begins(tmp_path, number):
    stopped = "import signal, sys, time; [signal.signal(n, lambda n, f: sys.exit(128 + n)) for n in (2, 15)]"
    first = python(f"{stopped}; print('ready', flush=True); time.sleep(60)")
    main = (
        "import sys; from experiments.reproductions import side_by_side as s;"
        f" sys.exit(s.run({{'a': {first!r}, 'b': {python(SPAN, tmp_path / 'b')!r}}}, at_once=1, environment={{}}))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(python(main), env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert re.fullmatch(r"\[a\] ready\n", process.stderr.readline())
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert time.monotonic() - began < 20
    assert not (tmp_path / "b").exists()
