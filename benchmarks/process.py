"""A contender as the harness sees it: a process that stays alive between rounds and waits for its turn."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.worker import Absent, Ready, Round, Task

ROOT = Path(__file__).resolve().parents[1]


class ContenderDied(Exception):
    """A contender's process ended on its own. The message names it, what it was doing and its last words."""


class Contender:
    """The process of one contender; leaving its `with` block ends it.

    Args:
      task: what it is to do.
      command: starts the process; the task is added as the last argument.
    """

    def __init__(self, task: Task, command: Sequence[str | os.PathLike[str]]) -> None:
        self.name = task.contender
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 open as long as the process lives
        # One kind of device for all: peers have only their CPU builds.
        environment = os.environ | {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
        self._process = subprocess.Popen(
            [*command, json.dumps(dataclasses.asdict(task))],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
        )

    def ready(self) -> Ready:
        """Waits until it has compiled and warmed up.

        Raises:
          Absent: it does not have this task.
          ContenderDied: the process ended.
        """
        answer = self._read("before its first round")
        if "absent" in answer:
            raise Absent(answer["absent"])
        return Ready(**answer)

    def round(self, seconds: float) -> Round:
        """Has it do steps until so much time has passed, at least one.

        Raises:
          ContenderDied: the process ended.
        """
        with contextlib.suppress(BrokenPipeError):  # the read tells why
            self._input.write(json.dumps({"seconds": seconds}) + "\n")
            self._input.flush()
        return Round(**self._read("in a round"))

    @property
    def _input(self) -> Any:
        return self._process.stdin

    def _read(self, when: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return json.loads(line)
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(words) if line.strip()), "it said nothing")
        raise ContenderDied(f"{self.name} {how} {when}: {last}")

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._errors.close()
