"""How a field of the schema states its default, its range or choices and its meaning.

A `neutral` field cannot change the parameters of a run: where data lie, say, or how often to save.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any


def number(
    default: float | tuple[float, ...] | None, low: float, high: float, doc: str, *, neutral: bool = False
) -> Any:
    """A number, a (low, high) pair or a colour of three, all within `low` to `high`."""
    return field(default=default, metadata={"range": (low, high), "doc": doc, "neutral": neutral})


def choice(default: str, choices: tuple[str, ...], doc: str, *, neutral: bool = False) -> Any:
    """One of a few words."""
    return field(default=default, metadata={"choices": choices, "doc": doc, "neutral": neutral})


def value(default: Any, doc: str, *, neutral: bool = False) -> Any:
    """Any value of the annotated type."""
    return field(default=default, metadata={"doc": doc, "neutral": neutral})


def section(cls: type) -> Any:
    """A section of the schema, all of it at its defaults."""
    return field(default_factory=cls)
