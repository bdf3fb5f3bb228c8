"""The largest batch that fits, in few compilations."""

from __future__ import annotations

from collections.abc import Callable


def largest_that_fits(needed: Callable[[int], tuple[int, bool]], available: int, limit: int) -> int:
    """The largest number, at most `limit`, that fits; 0 if not even 1 does.

    Memory grows nearly in proportion to the batch, so the line through the two tries nearest to the boundary tells the
    next one, at most eight times the largest that fits: small programs need much that does not grow. Where the line
    leads to the same side six times, the middle is tried instead, or the double while nothing was too large.

    Args:
      needed: what a number needs, and whether that fits; a number above one that does not fit does not fit either.
      available: what there is, in the unit of `needed`.
      limit: the largest number to try, at least 1.
    """
    tried: dict[int, int] = {}
    fits, too_large, same_side = 0, limit + 1, 0
    guess = 1
    while too_large - fits > 1:
        number = min(max(guess, fits + 1), too_large - 1, max(8 * fits, 1))
        tried[number], ok = needed(number)
        fits, too_large = (number, too_large) if ok else (fits, number)
        same_side = max(same_side, 0) + 1 if ok else min(same_side, 0) - 1
        middle = (fits + too_large) // 2 if too_large <= limit else 2 * fits
        guess = middle if abs(same_side) >= 6 else _next(tried, available)
    return fits


def _next(tried: dict[int, int], available: int) -> int:
    """Where the line through the two tries nearest to `available` reaches it."""
    (x, y), *others = sorted(tried.items(), key=lambda item: abs(item[1] - available))
    other, height = others[0] if others else (0, 0)
    return int(x + (available - y) * (x - other) / (y - height)) if y != height else 2 * x
