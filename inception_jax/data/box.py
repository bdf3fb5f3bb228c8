"""A rectangle of an image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A rectangle, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def scaled(self, old: tuple[int, int], new: tuple[int, int]) -> Box:
        """The same part of the same image at another (height, width)."""
        top, height = _scale(self.top, self.height, old[0], new[0])
        left, width = _scale(self.left, self.width, old[1], new[1])
        return Box(top, left, height, width)

    def cut(self, image: np.ndarray) -> np.ndarray:
        """A view of that part of an image."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def _scale(start: int, length: int, old: int, new: int) -> tuple[int, int]:
    first = min(round(start * new / old), new - 1)
    last = max(round((start + length) * new / old), first + 1)
    return first, last - first
