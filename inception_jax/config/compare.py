"""Two configs compared: flat fields, the difference that matters, and a fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from inception_jax.config.schema import Config


def flatten(config: Config) -> dict[str, Any]:
    """`{"optimizer.learning_rate": 0.1, ...}`, JSON-ready, in schema order."""
    return dict(_leaves(json.loads(json.dumps(dataclasses.asdict(config)))))


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def neutral_fields() -> frozenset[str]:
    """Fields that cannot change the parameters of a run, such as where data lie or how often to save."""
    hints = typing.get_type_hints(Config)
    return frozenset(
        f"{section.name}.{f.name}"
        for section in dataclasses.fields(Config)
        if dataclasses.is_dataclass(hints[section.name])
        for f in dataclasses.fields(hints[section.name])
        if f.metadata.get("neutral")
    )


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Fields of two flattened configs that differ and matter: `{field: (old, new)}`.

    A field that one of them lacks has its default there: it was written before there was such a field.
    """
    neutral, default = neutral_fields(), flatten(Config())
    both = {name: tuple(c.get(name, default.get(name)) for c in (old, new)) for name in dict.fromkeys([*old, *new])}
    return {name: (was, now) for name, (was, now) in both.items() if name not in neutral and was != now}


def fingerprint(config: Config) -> str:
    """A hash of every field that can change the result, equal on all hosts of one run."""
    neutral = neutral_fields()
    matter = {name: value for name, value in flatten(config).items() if name not in neutral}
    return hashlib.sha256(json.dumps(matter, sort_keys=True).encode()).hexdigest()[:16]
