"""The largest batch that fits into memory, by few compilations."""

from __future__ import annotations

from collections.abc import Callable


def largest_that_fits(needed: Callable[[int], tuple[int, bool]], available: int, limit: int) -> int:
    """The largest number, at most `limit`, that fits; 0 if not even 1 does.

    Memory grows nearly in proportion to the batch until it is short; then compilers compute things twice, and it hardly
    grows. So a line through what is known tells the next number, at most eight times the largest that fits, as small
    programs need much that does not grow. But where what the line told still fits, the double is tried, as what does
    not fit fails early; and between one that fits and one that does not the middle, after one line.

    Args:
      needed: what a number needs, and whether that fits; a number above one that does not fit does not fit either.
      available: what there is, in the unit of `needed`.
      limit: the largest number to try, at least 1.
    """
    tried: dict[int, int] = {}
    fits, too_large = 0, limit + 1
    guess, told, halving = 1, False, False
    while too_large - fits > 1:
        number = min(max(guess, fits + 1), too_large - 1, max(8 * fits, 1))
        tried[number], ok = needed(number)
        fits, too_large = (number, too_large) if ok else (fits, number)
        below = max((other for other in tried if other < fits), default=0)
        if too_large <= limit:
            guess = (fits + too_large) // 2 if halving else _where(fits, too_large, tried, available)
            halving = True
        elif told and number >= guess:
            guess = 2 * fits
        elif below:
            guess, told = _where(below, fits, tried, available), True
        else:
            guess = 8 * fits
    return fits


def _where(a: int, b: int, tried: dict[int, int], available: int) -> int:
    """Where the line through two numbers reaches `available`; nothing needs nothing."""
    low, high = tried.get(a, 0), tried[b]
    return int(a + (available - low) * (b - a) / (high - low)) if high != low else (a + b) // 2
