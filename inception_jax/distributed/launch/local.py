"""Several processes on this machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from inception_jax.distributed.launch.training import Training

_MAIN = "import sys; from inception_jax.cli.main import main; sys.exit(main())"
_GRACE = 10.0


def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def job_flags(port: int, processes: int, index: int) -> tuple[str, ...]:
    """What tells process `index` of `processes` where the others are."""
    return (f"--coordinator=127.0.0.1:{port}", f"--processes={processes}", f"--process-id={index}")


def script(training: Training, processes: int, port: int) -> str:
    """The commands that `run` runs, as a shell script."""
    lines = [
        f"JAX_LOCAL_DEVICE_IDS={index} {shlex.join([*training.command, *job_flags(port, processes, index)])} &"
        for index in range(processes)
    ]
    return "\n".join([*lines, "wait", ""])


def run(training: Training, processes: int, stream: TextIO) -> int:
    """Runs the processes, one GPU each where there are GPUs, and prints their lines behind their numbers.

    When one fails the others are stopped. SIGTERM and Ctrl-C are passed on.

    Returns:
      The exit code of the process that failed first, as a shell gives it; 0 if all succeeded.
    """
    port = free_port()
    running: list[subprocess.Popen[str]] = []
    with signals_passed_on(running):
        for index in range(processes):
            running.append(_start(training.arguments + job_flags(port, processes, index), index))
        printers = [
            threading.Thread(target=_print_lines, args=(index, process, stream), daemon=True)
            for index, process in enumerate(running)
        ]
        for printer in printers:
            printer.start()
        code = _wait(running)
        for printer in printers:
            printer.join()
        return code


def run_alone(training: Training, environment: Mapping[str, str]) -> tuple[int, signal.Signals | None]:
    """Runs one process that has all devices of this machine; its progress goes to standard error as it is.

    Args:
      training: what to run.
      environment: variables beside those of this process.

    Returns:
      Its exit code, as a shell gives it, and the signal that was passed on to it, if there was one.
    """
    running: list[subprocess.Popen[str]] = []
    with signals_passed_on(running) as passed_on:
        command = [sys.executable, "-c", _MAIN, *training.arguments]
        running.append(
            subprocess.Popen(
                command, env=os.environ | environment, stdout=subprocess.DEVNULL, text=True, start_new_session=True
            )
        )
        return _wait(running), passed_on[0] if passed_on else None


@contextlib.contextmanager
def signals_passed_on(running: Sequence[subprocess.Popen[str]]) -> Iterator[list[signal.Signals]]:
    """SIGTERM and Ctrl-C go to all of `running`, and are listed; what runs at the end is killed."""
    received: list[signal.Signals] = []

    def pass_on(number: int, frame: Any) -> None:
        received.append(signal.Signals(number))
        _signal(running, received[-1])

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        _signal(running, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(arguments: Sequence[str], index: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN, *arguments],
        env=os.environ | {"JAX_LOCAL_DEVICE_IDS": str(index)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C reaches them once, through `pass_on`
    )


def _print_lines(index: int, process: subprocess.Popen[str], stream: TextIO) -> None:
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            stream.write(f"[{index}] {line}")
            stream.flush()


def _wait(running: Sequence[subprocess.Popen[str]]) -> int:
    failed = 0
    deadline = float("inf")
    while None in (codes := [process.poll() for process in running]):
        if any(codes) and not failed:
            failed, deadline = next(filter(None, codes)), time.monotonic() + _GRACE
            _signal(running, signal.SIGTERM)
        if time.monotonic() > deadline:
            _signal(running, signal.SIGKILL)
        time.sleep(0.05)
    failed = failed or next(filter(None, codes), 0)
    return failed if failed >= 0 else 128 - failed


def _signal(running: Sequence[subprocess.Popen[str]], number: signal.Signals) -> None:
    for process in running:
        if process.poll() is None:
            process.send_signal(number)
