"""The side of the line protocol that a contender's process runs.

It needs the standard library only, because it runs in every environment. The process gets a `Task` as
its only argument. It writes one JSON object a line: first a `Ready` or `{"absent": why}`, then a `Round` for each
`{"seconds": s}` that it reads. It ends when its input does.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
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
    """What is timed. `variant` is one of this project's; `mode` is `train` or `infer`, `dtype` float32 or bfloat16.

    For loaders `images` is a folder of class folders, `workers` how many threads or processes read it, and `network`
    the library and way that are timed.
    """

    contender: str
    network: str
    variant: str
    mode: str
    batch: int
    image_size: int
    width: float
    dtype: str
    classes: int = 1000
    images: str = ""
    workers: int = 0


@dataclass(frozen=True)
class Work:
    """A task that is ready to run.

    Attributes:
      step: does one step, waits for its end, and returns its loss (of a loader, the mean pixel).
      parameters: trainable numbers, auxiliary heads included.
      compile_seconds: tracing and compiling; None where nothing is compiled.
      versions: of the packages that do the work.
      ahead: steps whose work a loader has done before it is asked; each round begins with as many that are not counted.
    """

    step: Callable[[], float]
    parameters: int
    compile_seconds: float | None
    versions: dict[str, str]
    ahead: int = 0


@dataclass(frozen=True)
class Ready:
    """The first answer.

    Attributes:
      parameters: see `Work`.
      compile_seconds: see `Work`.
      versions: see `Work`.
      peak_bytes: largest resident size of the process so far, compiling included.
    """

    parameters: int
    compile_seconds: float | None
    versions: dict[str, str]
    peak_bytes: int


@dataclass(frozen=True)
class Round:
    """The answer to one `{"seconds": s}`.

    Attributes:
      steps: how many were done until s seconds had passed, at least one.
      seconds: how long they took.
      cpu_seconds: CPU time in it, of the process and its children; without the children where the system cannot tell.
      idle_seconds: wall time since its last answer, while others had their turn.
      idle_cpu_seconds: CPU time that the process used in it: a process that does not sleep slows the others.
      peak_bytes: largest resident size of the process since it was ready; since its start where the system cannot
        tell.
    """

    steps: int
    seconds: float
    cpu_seconds: float
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
    for _ in range(2):  # what only first steps have to do is no part of any round
        work.step()
    ready = Ready(work.parameters, work.compile_seconds, work.versions, _peak_bytes())
    _forget_peak()
    answer(dataclasses.asdict(ready))
    idle_since, cpu_used = time.perf_counter(), time.process_time()
    for line in sys.stdin:
        idle = time.perf_counter() - idle_since, time.process_time() - cpu_used
        answer(dataclasses.asdict(_round(work, json.loads(line)["seconds"], idle)))
        idle_since, cpu_used = time.perf_counter(), time.process_time()


def _round(work: Work, least: float, idle: tuple[float, float]) -> Round:
    for _ in range(work.ahead):
        work.step()
    steps, start, seconds, cpu = 0, time.perf_counter(), 0.0, _cpu_seconds()
    while not steps or seconds < least:
        loss = work.step()
        if not math.isfinite(loss):
            raise ArithmeticError(f"the loss became {loss}; a step on such numbers is not what training does")
        steps += 1
        seconds = time.perf_counter() - start
    return Round(steps, seconds, _cpu_seconds() - cpu, *idle, _peak_bytes())


def _cpu_seconds(process: str = "self") -> float:
    """CPU time so far, of the process and of its children that are alive, on Linux."""
    own = 0.0
    if process == "self":
        own = time.process_time()
    with contextlib.suppress(OSError):  # gone meanwhile, or another system
        if process != "self":
            ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
            own = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        for task in Path(f"/proc/{process}/task").iterdir():
            own += sum(_cpu_seconds(child) for child in (task / "children").read_text().split())
    return own


def _forget_peak() -> None:
    """Returns what the compiler has freed to the system and starts the count of the peak again, on Linux."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes() -> int:
    try:
        # Linux's getrusage would count what the parent held when it started this process.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
