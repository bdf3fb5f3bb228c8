"""What every experiment takes behind its file: `FILE:mini`, `FILE:tiny`, `FILE:batch=1024,epochs=30`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from experiments import scale
from inception_jax.config import ConfigError

SHARED: Mapping[str, Callable[..., None]] = {
    "mini": scale.mini,
    "tiny": scale.tiny,
    "epochs": scale.epochs,
    "batch": scale.batch,
}
"""Arguments of all experiments, in the order in which they are applied: `mini,epochs=6` is a longer miniature."""


def experiment(build: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function that returns a config into a `get_config` that takes the shared arguments too.

    Its own parameters, with their defaults, become arguments: `def get_config(member: int = 1)` takes `member=3`.
    Called without any, it returns the experiment as it is, for another to be derived from.

    Raises:
      ConfigError: from `get_config`, naming an argument that is unknown or cannot be read.
    """
    own = inspect.signature(build).parameters

    @functools.wraps(build)
    def get_config(argument: str = "", /, **values: Any) -> Any:
        given = _parsed(argument, own)
        config = build(**values, **{name: value for name, value in given.items() if name in own})
        for name, change in SHARED.items():
            if name in given:
                change(config, *([given[name]] if given[name] is not None else []))
        return config

    return get_config


def _parsed(argument: str, own: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    kinds = {name: type(parameter.default) for name, parameter in own.items()}
    kinds |= {"epochs": float, "batch": int, "mini": str, "tiny": None}
    parsed: dict[str, Any] = {}
    for part in filter(None, argument.split(",")):
        name, equals, text = part.partition("=")
        kind = kinds.get(name)
        if name not in kinds or (not equals and name not in ("mini", "tiny")) or (equals and kind is None):
            known = ", ".join([*(f"{own_name}=..." for own_name in own), "mini", "mini=DATASET", "tiny"])
            raise ConfigError(f"argument {part!r} is unknown; an experiment takes {known}, batch=N, epochs=N")
        try:
            parsed[name] = kind(text) if equals and kind else None
        except ValueError as error:
            raise ConfigError(f"argument {part!r}: {error}") from error
    return parsed
