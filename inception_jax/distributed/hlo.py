"""What a compiled program says of itself, read from XLA's text: collectives, and the TPU compiler's cycles."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_KINDS = (
    "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast|ragged-all-to-all|send"
)
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{$")
# A tuple's layouts have brackets of their own.
_TYPE = r"\((?:[^()]|\([^()]*\))*\)|\S+"
_COLLECTIVE = re.compile(rf"^\s*(?:ROOT )?%?[\w.-]+ = ({_TYPE}) ({_KINDS})(-start)?\(")
_CALL = re.compile(r"\b(?:body|condition|calls|to_apply|branch_computations)=(\{[^}]*\}|%?[\w.-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_ARRAY = re.compile(r"\b(pred|[a-z]+\d+\w*)\[([\d,]*)\]")


@dataclass(frozen=True)
class Collective:
    """One collective operation.

    Attributes:
      kind: XLA's name of it, such as `all-reduce`.
      arrays: how many arrays it moves together.
      size: bytes of its result on one device.
      times: how often a step runs it; more than once within a loop.
    """

    kind: str
    arrays: int
    size: int
    times: int = 1


def collectives(text: str) -> list[Collective]:
    """The collectives of a compiled program, in the order of the text.

    Args:
      text: `compiled.as_text()`.
    """
    found = []
    for line, times in _lines(text):
        if match := _COLLECTIVE.match(line):
            sizes = [_bytes(*array) for array in _ARRAY.findall(re.sub(r"\{[^}]*\}", "", match[1]))]
            if match[3] and match[2] != "all-reduce":
                # A start returns what it was given, then what it will give, then, of some, a context.
                sizes = sizes[1:2] if match[2] == "collective-permute" else sizes[len(sizes) // 2 :]
            elif match[2] == "send":
                sizes = sizes[:1]
            found.append(Collective(match[2], len(sizes), sum(sizes), times))
    return found


def estimated_cycles(text: str) -> int:
    """The TPU compiler's estimate of a whole run of the program, without collectives, whose time it does not state.

    A loop's cycles count as often as it runs; once, where the compiler does not know how often. 0 for other targets.
    """
    return sum(int(match[1]) * times for line, times in _lines(text) for match in _CYCLES.finditer(line))


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Every instruction, with how often one run of the program executes it."""
    computations: dict[str, list[str]] = {}
    entry, name = "", ""
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            name = match[2]
            computations[name] = []
            entry = name if match[1] else entry
        elif name:
            computations[name].append(line)
    times = _times(computations, entry)
    for name, lines in computations.items():
        for line in lines if times[name] else ():
            yield line, times[name]


def _times(computations: dict[str, list[str]], entry: str) -> Counter[str]:
    times: Counter[str] = Counter({entry: 1})
    # A computation stands in the text before those that call it.
    for caller in reversed(computations):
        for line in computations[caller] if times[caller] else ():
            trips = _TRIPS.search(line)
            for match in _CALL.finditer(line):
                for callee in re.findall(r"[\w.-]+", match[1]):
                    times[callee] += times[caller] * (int(trips[1]) if trips else 1)
    return times


def _bytes(kind: str, shape: str) -> int:
    bits = 8 if kind == "pred" else int(re.sub(r"^\D+(\d+).*$", r"\1", kind))
    return math.prod(int(side) for side in shape.split(",") if side) * bits // 8
