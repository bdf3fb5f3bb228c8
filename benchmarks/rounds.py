"""Rounds in which every contender has one turn, so that what slows the machine for a while slows all of them."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TextIO

from benchmarks.process import Contender, ContenderDied
from benchmarks.summary import rate
from benchmarks.worker import Absent, Ready, Round, Task

Start = Callable[[Task, Callable[[str], None]], Contender]


@dataclass
class _Seat:
    """A contender that is ready, and what it has measured."""

    contender: Contender
    ready: Ready
    rounds: list[Round]


def measure(
    tasks: Sequence[Task], start: Start, *, rounds: int, round_seconds: float, stream: TextIO | None = None
) -> list[dict[str, Any]]:
    """Has each contender compile, one after the other, then takes turns; one that fails leaves, and the rest go on.

    Args:
      tasks: one a contender.
      start: starts the process of one; may raise `Absent`.
      rounds: turns of each. Round n begins with contender n, so that nobody always follows the same one.
      round_seconds: a turn goes on until this has passed, at least one step.
      stream: where progress is printed; default: standard error.

    Returns:
      For each task, JSON-ready: `name`, and either `absent` or `failed` with the reason, or `parameters`,
      `compile_seconds` (None where nothing is compiled), `versions`, of every round `seconds_per_step` and
      `cpu_seconds_per_step`, `start_peak_bytes` of the process until it was ready, `round_peak_bytes` since then, and
      `idle_cpu_share`, its CPU time per second of waiting.
    """
    lines = stream or sys.stderr

    def say(text: str) -> None:
        print(text, file=lines, flush=True)

    entries: dict[str, dict[str, Any]] = {}
    seats: list[_Seat] = []
    with ExitStack() as stack:
        for task in tasks:
            name = task.contender
            entries[name] = {"name": name}
            say(f"{name}: starting")
            try:
                contender = stack.enter_context(start(task, say))
                ready = contender.ready()
            except Absent as absent:
                entries[name]["absent"] = str(absent)
                say(f"{name}: takes no part: {absent}")
            except ContenderDied as died:
                entries[name]["failed"] = str(died)
                say(f"{name}: failed: {died}")
            else:
                seats.append(_Seat(contender, ready, []))
                compiled = (
                    "not compiled" if ready.compile_seconds is None else f"compiled in {ready.compile_seconds:.0f} s"
                )
                say(f"{name}: {compiled}, {ready.parameters:,} parameters" if ready.parameters else f"{name}: ready")
        begun, turns = time.monotonic(), 0
        for number in range(rounds):
            first = number % len(seats) if seats else 0
            for seat in [*seats[first:], *seats[:first]]:
                name = seat.contender.name
                try:
                    seat.rounds.append(seat.contender.round(round_seconds))
                except ContenderDied as died:
                    entries[name]["failed"] = str(died)
                    seats.remove(seat)
                    say(f"{name}: failed: {died}")
                    continue
                turns += 1
                left = rounds * len(seats) - sum(len(other.rounds) for other in seats)
                eta = datetime.timedelta(seconds=round((time.monotonic() - begun) / turns * left))
                speed = rate(tasks[0].batch * seat.rounds[-1].steps / seat.rounds[-1].seconds)
                say(f"round {number + 1}/{rounds}  {name:10}  {speed:>6} images/s  ETA {eta}")
    for seat in seats:
        entries[seat.contender.name] |= _measured(seat)
    return list(entries.values())


def _measured(seat: _Seat) -> dict[str, Any]:
    waited = sum(turn.idle_seconds for turn in seat.rounds)
    return {
        "parameters": seat.ready.parameters,
        "compile_seconds": seat.ready.compile_seconds,
        "versions": seat.ready.versions,
        "seconds_per_step": [turn.seconds / turn.steps for turn in seat.rounds],
        "cpu_seconds_per_step": [turn.cpu_seconds / turn.steps for turn in seat.rounds],
        "start_peak_bytes": seat.ready.peak_bytes,
        "round_peak_bytes": seat.rounds[-1].peak_bytes,
        "idle_cpu_share": sum(turn.idle_cpu_seconds for turn in seat.rounds) / waited,
    }
