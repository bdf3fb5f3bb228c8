"""`--config=FILE[:ARGUMENT]` and `--config.field=value`, as in every ml_collections project."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from inception_jax.config import Config, ConfigError, as_config_dict, flatten, resolve
from inception_jax.config.sources import Source, sources


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
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument != "--config" and not argument.startswith(("--config=", "--config.")):
            others.append(argument)
            continue
        # `--config.data.flip` alone is true: what follows is its value only if it is no flag itself.
        if "=" not in argument and rest and not rest[0].startswith("--"):
            argument = f"{argument}={rest.pop(0)}"
        found.append(argument)
    return others, found


def load_config(found: Sequence[str], base: Config | None = None) -> Config:
    """The experiment that the `--config` flags name, with their changes, checked.

    Args:
      found: flags from `split_config_flags`.
      base: the config that stands in where no file is named.

    Raises:
      ConfigError: no config, a file that cannot be loaded, or an impossible field or value.
    """
    config = _named(found, base)
    _change(config, [flag for flag in found if flag.startswith("--config.")])
    return resolve(config)


def load_sources(found: Sequence[str]) -> tuple[Config, dict[str, Source]]:
    """The experiment that the `--config` flags name, and the source of each of its fields, by their flat names.

    Raises:
      ConfigError: see `load_config`.
    """
    config = _named(found, None)
    written = resolve(config)
    _change(config, [flag for flag in found if flag.startswith("--config.")])
    final = resolve(config)
    return final, sources(config, flatten(written), flatten(final), flatten(Config()))


def _named(found: Sequence[str], base: Config | None) -> ml_collections.ConfigDict:
    """The experiment that the flags name, before their changes."""
    if "--config" in found:
        raise ConfigError("--config needs a value: --config=FILE")
    paths = [flag.partition("=")[2] for flag in found if flag.startswith("--config=")]
    if paths:
        return _load_file(paths[-1])
    if base is not None:
        return as_config_dict(base)
    raise ConfigError("no experiment is named: --config=experiments/quickstart/digits.py, for one")


def _load_file(path: str) -> ml_collections.ConfigDict:
    """What `get_config` of `FILE[:ARGUMENT]` returns."""
    name, *argument = path.split(":", 1)
    file = Path(name)
    if not file.is_file() or file.suffix != ".py":
        raise ConfigError(f"no experiment file {name!r}; it must be a Python file with get_config()")
    try:
        config = load_module(file).get_config(*argument)
    except Exception as error:
        mine = str(file.absolute())
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == mine]
        where = f"{name}, line {lines[-1]}" if lines else name
        kind = "" if isinstance(error, ConfigError) else f"{type(error).__name__}: "
        raise ConfigError(f"{where}: {kind}{_one_line(error)}") from error
    if not isinstance(config, ml_collections.ConfigDict):
        raise ConfigError(f"get_config() of {name} returns {type(config).__name__}, not an ml_collections.ConfigDict")
    return config


def load_module(file: Path) -> Any:
    """An experiment's file as a module, which can import its neighbours as `experiments.…`."""
    root = file.resolve().parent
    while (root / "__init__.py").exists():
        root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    # Not ml_collections' loader, which needs `load_module`, gone from Python 3.15.
    spec = importlib.util.spec_from_file_location("config", file.absolute())
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _change(config: ml_collections.ConfigDict, changes: Sequence[str]) -> None:
    """Makes the changes of `--config.field=value` flags."""
    values = flags.FlagValues()
    arguments = ["inception-jax", *changes]
    try:
        # Fields that do not exist are accepted here, because `resolve` refuses them in clearer words. ml_collections
        # would look for changes in sys.argv, which is not this command line when `main` is called from Python.
        config_flags.DEFINE_config_dict(
            "config",
            config,
            flag_values=values,
            sys_argv=arguments,
            lock_config=False,
            accept_new_attributes=True,
        )
        values(arguments)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"--config: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split())
