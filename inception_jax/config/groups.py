"""Groups of parameters, as text: patterns, and factors of the learning rate."""

from __future__ import annotations

import re

from inception_jax.config.errors import ConfigError
from inception_jax.config.training import Optimizer


def multipliers(text: str) -> list[tuple[re.Pattern[str], float]]:
    """`"bias$=2; ^logits=10"` as (pattern, factor), in order.

    Raises:
      ConfigError: it is not of that form.
    """
    return [_multiplier(part.strip()) for part in text.split(";") if part.strip()]


def pattern(field: str, text: str) -> re.Pattern[str]:
    """The regular expression that `config.optimizer.{field}` is.

    Raises:
      ConfigError: it is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(f"config.optimizer.{field} ({text!r}) is no regular expression: {error}") from error


def check_groups(optimizer: Optimizer) -> None:
    """Raises ConfigError if a pattern or a factor cannot be read."""
    multipliers(optimizer.multipliers)
    pattern("decayed", optimizer.decayed)
    pattern("freeze", optimizer.freeze)


def _multiplier(part: str) -> tuple[re.Pattern[str], float]:
    expression, equals, factor = part.rpartition("=")
    try:
        number = float(factor)
    except ValueError:
        number = -1.0
    if not equals or not expression or not 0 <= number < float("inf"):
        raise ConfigError(
            f"config.optimizer.multipliers: {part!r} must be PATTERN=FACTOR with a factor of 0 or more, as 'bias$=2'"
        )
    return pattern("multipliers", expression), number
