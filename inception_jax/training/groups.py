"""Groups of parameters by regular expressions on their paths."""

from __future__ import annotations

import re
from typing import Any

import jax
import optax

from inception_jax.config import ConfigError
from inception_jax.config.groups import multipliers, pattern


def matching(field: str, expression: str, params: Any) -> Any:
    """The tree of `params` with True where the expression is found in the path, such as `conv1/kernel`.

    Args:
      field: of `config.optimizer`, named in errors.
      expression: the regular expression.
      params: any tree of dicts.

    Raises:
      ConfigError: it is found in none.
    """
    compiled = pattern(field, expression)
    found = jax.tree_util.tree_map_with_path(lambda path, _: bool(compiled.search(_name(path))), params)
    if not any(jax.tree.leaves(found)):
        raise _matches_nothing(field, compiled, params)
    return found


def scale_groups(text: str) -> optax.GradientTransformation:
    """Multiplies the updates of each group of `config.optimizer.multipliers`.

    Raises:
      ConfigError: when it is initialised, if a pattern is found in no path.
    """
    groups = multipliers(text)

    def factor(path: Any, _: Any) -> float:
        return next((number for compiled, number in groups if compiled.search(_name(path))), 1.0)

    def init(params: Any) -> optax.EmptyState:
        for compiled, _ in groups:
            matching("multipliers", compiled.pattern, params)
        return optax.EmptyState()

    def update(updates: Any, state: optax.OptState, params: Any = None) -> tuple[Any, optax.OptState]:
        factors = jax.tree_util.tree_map_with_path(factor, updates)
        return jax.tree.map(lambda number, x: number * x, factors, updates), state

    return optax.GradientTransformation(init, update)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _matches_nothing(field: str, compiled: re.Pattern[str], params: Any) -> ConfigError:
    names = [_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    shown = ", ".join([*names[:3], "..."] if len(names) > 3 else names)
    return ConfigError(f"config.optimizer.{field}: {compiled.pattern!r} is found in no parameter's path ({shown})")
