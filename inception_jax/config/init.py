"""Section `init`: where training starts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inception_jax.config.errors import ConfigError
from inception_jax.config.fields import value


@dataclass(frozen=True)
class Init:
    """Where training starts: from random numbers, or from a weights file, whose preprocessing it then uses."""

    weights: str = value("", "a file of `inception-jax convert` or `export`; empty: random numbers", neutral=True)
    skip: str = value("", "pattern of layers that start from random numbers nonetheless: `^logits`")
    sha256: str = value("", "of that file; found out, so that a run knows what it started from")


def check_init(init: Init) -> None:
    """Raises ConfigError if the pattern is none."""
    try:
        re.compile(init.skip)
    except re.error as error:
        raise ConfigError(f"config.init.skip ({init.skip!r}) is no regular expression: {error}") from error
