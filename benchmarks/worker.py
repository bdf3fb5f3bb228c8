"""The side of the line protocol that a contender's process runs.

It needs the standard library only, because it runs in every environment. The process gets a `Task` as
its only argument. It writes one JSON object a line: first a `Ready` or `{"absent": why}`, then a `Round` for each
`{"steps": n}` that it reads. It ends when its input does.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class Absent(Exception):
    """The contender does not have what the task asks for; the message says what."""


@dataclass(frozen=True)
class Task:
    """What is timed. `variant` is one of this project's; `mode` is `train` or `infer`, `dtype` float32 or bfloat16."""

    contender: str
    network: str
    variant: str
    mode: str
    batch: int
    image_size: int
    width: float
    dtype: str
    classes: int = 1000


@dataclass(frozen=True)
class Work:
    """A task that is ready to run.

    Attributes:
      run: does that many steps, waiting for each to end, and returns the last one's loss.
      parameters: trainable numbers, auxiliary heads included.
      compile_seconds: tracing and compiling; None where nothing is compiled.
      versions: of the packages that do the work.
    """

    run: Callable[[int], float]
    parameters: int
    compile_seconds: float | None
    versions: dict[str, str]


@dataclass(frozen=True)
class Ready:
    """The first answer.

    Attributes:
      parameters: see `Work`.
      compile_seconds: see `Work`.
      versions: see `Work`.
      step_seconds: time of one step, after one that is not timed.
      peak_bytes: largest resident size of the process so far.
    """

    parameters: int
    compile_seconds: float | None
    versions: dict[str, str]
    step_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Round:
    """The answer to one `{"steps": n}`.

    Attributes:
      seconds: wall time of the n steps.
      idle_seconds: wall time since its last answer, while others had their turn.
      idle_cpu_seconds: CPU time that the process used in it: a process that does not sleep slows the others.
      peak_bytes: see `Ready`.
    """

    seconds: float
    idle_seconds: float
    idle_cpu_seconds: float
    peak_bytes: int


def serve(build: Callable[[Task], Work]) -> None:
    """Runs the protocol.

    Args:
      build: prepares the task; raises `Absent` where the contender does not have it.
    """
    # Whatever a library prints must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(value: object) -> None:
        answers.write(json.dumps(value) + "\n")

    try:
        work = build(Task(**json.loads(sys.argv[1])))
    except Absent as absent:
        answer({"absent": str(absent)})
        return
    work.run(1)
    seconds, _ = _timed(work, 1)
    ready = Ready(work.parameters, work.compile_seconds, work.versions, seconds, _peak_bytes())
    answer(dataclasses.asdict(ready))
    idle_since, cpu_used = time.perf_counter(), time.process_time()
    for line in sys.stdin:
        idle = time.perf_counter() - idle_since, time.process_time() - cpu_used
        seconds, loss = _timed(work, json.loads(line)["steps"])
        if not math.isfinite(loss):
            raise ArithmeticError(f"the loss became {loss}; a step on such numbers is not what training does")
        answer(dataclasses.asdict(Round(seconds, *idle, _peak_bytes())))
        idle_since, cpu_used = time.perf_counter(), time.process_time()


def _timed(work: Work, steps: int) -> tuple[float, float]:
    """Seconds and loss of that many steps."""
    start = time.perf_counter()
    loss = work.run(steps)
    return time.perf_counter() - start, loss


def _peak_bytes() -> int:
    try:
        # Linux's getrusage would count what the parent held when it started this process.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
