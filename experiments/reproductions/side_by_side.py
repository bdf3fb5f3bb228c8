"""Commands beside one another, each on a core of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from inception_jax.distributed.launch.local import signals_passed_on


def run(commands: Mapping[str, Sequence[str]], *, at_once: int, environment: Mapping[str, str]) -> int:
    """Runs all, `at_once` of them at a time, and prints their lines behind their names.

    SIGTERM and Ctrl-C are passed on, and no further command is begun.

    Args:
      commands: program and arguments, by name, in the order in which they begin.
      at_once: how many run beside one another.
      environment: variables beside those of this process.

    Returns:
      The highest exit code, as a shell gives it.
    """
    waiting, running, worst = list(commands), list[subprocess.Popen[str]](), 0
    with signals_passed_on(running) as received:
        while (waiting and not received) or running:
            while waiting and not received and len(running) < at_once:
                name = waiting.pop(0)
                running.append(_start(name, commands[name], environment))
            for process in [process for process in running if process.poll() is not None]:
                running.remove(process)
                code = process.returncode
                worst = max(worst, code if code >= 0 else 128 - code)
            time.sleep(0.1)
    return worst


def _start(name: str, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C reaches it once, through `signals_passed_on`
    )
    threading.Thread(target=_print_lines, args=(name, process)).start()
    return process


def _print_lines(name: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            print(f"[{name}] {line}", end="", file=sys.stderr, flush=True)
