"""`--config=FILE[:ARGUMENT]` and `--config.field=value`, as in every ml_collections project."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from inception_jax.config import Config, ConfigError, resolve


def add_config_argument(parser: argparse.ArgumentParser, help: str) -> None:
    """Documents `--config` in the help of a command that calls `load_config`."""
    group = parser.add_argument_group("experiment")
    group.add_argument("--config", metavar="FILE[:ARGUMENT]", help=help)
    group.add_argument(
        "--config.FIELD", metavar="VALUE", help="change one field, such as --config.optimizer.learning_rate=0.1"
    )
    parser.set_defaults(takes_config=True)


def split_config_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separates `--config...` flags, with their values, from the other arguments."""
    others: list[str] = []
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument != "--config" and not argument.startswith(("--config=", "--config.")):
            others.append(argument)
            continue
        if "=" not in argument and (value := next(rest, None)) is not None:
            argument = f"{argument}={value}"
        found.append(argument)
    return others, found


def load_config(found: Sequence[str], base: Any = None) -> Config:
    """The experiment that the `--config` flags name, with their changes, checked.

    Args:
      found: flags from `split_config_flags`.
      base: the values of a config that stands in where no file is named.

    Raises:
      ConfigError: no config, a file that cannot be loaded, or an impossible field or value.
    """
    path = next((flag.partition("=")[2] for flag in found if flag.startswith("--config=")), None)
    values = flags.FlagValues()
    if path is not None:
        _require_file(path)
        config_flags.DEFINE_config_file("config", flag_values=values)
    elif base is not None:
        config_flags.DEFINE_config_dict("config", _as_config_dict(base), flag_values=values)
    else:
        raise ConfigError("no experiment is named: --config=experiments/quickstart/digits.py, for one")
    try:
        values(["inception-jax", *found])
        config = values["config"].value
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"--config: {_first_line(error)}") from error
    except (SyntaxError, ImportError, NameError) as error:
        raise ConfigError(f"{path} cannot be loaded: {type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(config, ml_collections.ConfigDict):
        raise ConfigError(f"get_config() of {path} returns {type(config).__name__}, not an ml_collections.ConfigDict")
    return resolve(config)


def _require_file(path: str) -> None:
    """Checks that the file is there, and lets it import its neighbours as `experiments.…`."""
    file = Path(path.partition(":")[0])
    if not file.is_file():
        raise ConfigError(f"no experiment file {file}")
    root = file.resolve().parent
    while (root / "__init__.py").exists():
        root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))


def _as_config_dict(values: Any) -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict(values)
    with config.unlocked():
        for section in config.values():
            if isinstance(section, ml_collections.ConfigDict):
                for name, value in list(section.items()):
                    if value is None:
                        section[name] = ml_collections.config_dict.placeholder(float)
    return config


def _first_line(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split())
