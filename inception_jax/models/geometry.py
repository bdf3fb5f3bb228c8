"""Sizes of maps: which rows shrink them, and the smallest images that a network accepts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import count

from inception_jax.models.table import AdaptiveAvgPool, Conv, Inception, Operation, Padding, Pool, Residual, Row


class MapTooSmall(ValueError):
    """An input so small that a window of the network no longer fits on the map it slides over."""


def strides(operation: Operation) -> bool:
    """Whether the operation has a stride, so that its output is a smaller map."""
    match operation:
        case Conv() | Pool():
            return operation.stride > 1
        case Inception() | Residual():
            return any(strides(part) for branch in operation.branches for part in branch)
    return False


def stages(rows: Sequence[Row]) -> list[tuple[Row, ...]]:
    """The rows cut before each one that strides, so that a stage works at one resolution."""
    cut: list[list[Row]] = []
    for row in rows:
        if not cut or strides(row[1]):
            cut.append([])
        cut[-1].append(row)
    return [tuple(stage) for stage in cut]


def map_side(operation: Operation, side: int) -> int:
    """Side of the map that the operation makes of a square one, both in pixels.

    Raises:
      MapTooSmall: the window does not fit.
    """
    match operation:
        case Conv():
            return _slide(side, max(operation.kernel), operation.stride, operation.padding)
        case Pool():
            return _slide(side, operation.window, operation.stride, operation.padding)
        case AdaptiveAvgPool():
            return operation.size
        case Inception() | Residual():
            sides = {reduce(lambda n, part: map_side(part, n), branch, side) for branch in operation.branches}
            (side,) = sides  # one that the branches could not be concatenated at is a mistake in the table
    return side


def smallest_input(rows: Sequence[Row]) -> int:
    """The least side of a square image, in pixels, that every row of a network accepts."""
    return next(side for side in count(1) if not is_too_small(rows, side))


def is_too_small(rows: Sequence[Row], side: int) -> bool:
    """Whether `side` x `side` images leave some row without room for its window."""
    try:
        reduce(lambda n, row: map_side(row[1], n), rows, side)
    except MapTooSmall:
        return True
    return False


def _slide(side: int, window: int, stride: int, padding: Padding) -> int:
    """Positions of a window on `side` pixels."""
    if padding == "SAME":
        return -(-side // stride)
    if padding == "CEIL":
        return -(-max(side - window, 0) // stride) + 1
    room = side + (2 * padding if isinstance(padding, int) else 0) - window
    if room < 0:
        raise MapTooSmall(f"a {window}x{window} window does not fit on a {side}x{side} map")
    return room // stride + 1
