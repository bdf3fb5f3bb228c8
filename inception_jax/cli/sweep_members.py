"""The runs of a sweep: what `sweep()` of an experiment's file yields, as directories and flags of `train`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception_jax.cli.config_flags import load_config, load_module
from inception_jax.config import Config, ConfigError, flatten

_FIELDS = {field.name for field in dataclasses.fields(Config)}
_LONGEST_NAME = 120


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
      name: of its directory below the sweep's; a function of its overrides alone.
      overrides: what the sweep yields for it.
      flags: of `inception-jax train`, without the directory.
      config: what they name, checked.
    """

    name: str
    overrides: Mapping[str, Any]
    flags: tuple[str, ...]
    config: Config

    def arguments(self, workdir: Path) -> tuple[str, ...]:
        """Of the program `inception-jax`."""
        return ("train", *self.flags, f"--workdir={workdir / self.name}")


def members(found: Sequence[str], seeds: Sequence[int] = ()) -> list[Member]:
    """Every run of the sweep that the `--config` flags name.

    `sweep()` of the file yields mappings. The key `config` names another experiment, relative to the file; a key that
    is a field of the config, `optimizer.learning_rate` say, changes it; any other is an argument of the experiment.
    Arguments and changes on the command line hold for every run.

    Args:
      found: flags from `split_config_flags`.
      seeds: each run is repeated with each of them; a file without `sweep()` is then one run a seed.

    Raises:
      ConfigError: there is no sweep, it fails, or one of its runs is impossible or twice there.
    """
    named = [flag.partition("=")[2] for flag in found if flag.startswith("--config=")]
    if not named or not Path(named[-1].partition(":")[0]).is_file():
        load_config([f"--config={named[-1]}"] if named else [])  # says what is missing
    file, _, argument = named[-1].partition(":")
    changes = [flag for flag in found if flag.startswith("--config.")]
    all_overrides = list(_overrides(file, required=not seeds))
    if seeds:
        if any("seed" in overrides for overrides in all_overrides):
            raise ConfigError(f"sweep() of {file} has seeds of its own: leave --seeds out")
        all_overrides = [overrides | {"seed": seed} for overrides in all_overrides for seed in seeds]
    made: dict[str, Member] = {}
    for overrides in all_overrides:
        member = _member(file, argument, changes, overrides)
        if member.name in made:
            raise ConfigError(f"sweep() of {file} has {member.name} twice")
        made[member.name] = member
    if not made:
        raise ConfigError(f"sweep() of {file} yields nothing")
    return list(made.values())


def _overrides(file: str, *, required: bool) -> Iterable[dict[str, Any]]:
    try:
        sweep = getattr(load_module(Path(file)), "sweep", None)
        yielded = [{}] if sweep is None else list(sweep())
    except Exception as error:
        raise ConfigError(f"{file}: sweep(): {type(error).__name__}: {' '.join(str(error).split())}") from error
    if sweep is None and required:
        raise ConfigError(f"{file} has no sweep(); write one beside its get_config(), or repeat it with --seeds=0,1,2")
    for overrides in yielded:
        if not isinstance(overrides, Mapping) or not all(isinstance(name, str) for name in overrides):
            raise ConfigError(f"sweep() of {file} yields {overrides!r}, not overrides such as {{'seed': 1}}")
        yield dict(overrides)


def _member(file: str, argument: str, changes: Sequence[str], overrides: Mapping[str, Any]) -> Member:
    target, _, own = str(overrides.get("config", "")).partition(":")
    # As the user named the sweep's file, so that other hosts find it where they find that.
    path = os.path.normpath(Path(file).parent / target) if target else file
    fields = {name: value for name, value in overrides.items() if name.partition(".")[0] in _FIELDS}
    given = [
        name if value is True else f"{name}={value}"
        for name, value in overrides.items()
        if name not in fields and name != "config"
    ]
    for name in fields:
        if any(change.partition("=")[0] == f"--config.{name}" for change in changes):
            raise ConfigError(f"--config.{name} is what sweep() of {file} changes: leave it out")
    arguments = ",".join(filter(None, (own, *given, argument)))
    flags = (
        f"--config={path}:{arguments}" if arguments else f"--config={path}",
        *changes,
        *(f"--config.{name}={_written(value)}" for name, value in fields.items()),
    )
    name = name_of(overrides)
    try:
        config = load_config(flags)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    final = flatten(config)
    for field, value in fields.items():
        if final.get(field) != json.loads(json.dumps(value)):
            raise ConfigError(f"{name}: sweep() gives config.{field} {value!r}, which becomes {final.get(field)!r}")
    return Member(name, overrides, flags, config)


def _written(value: Any) -> str:
    """As `--config.field=` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def name_of(overrides: Mapping[str, Any]) -> str:
    """A directory's name that says what is overridden: `bn_x5,seed=1`."""
    file, _, own = str(overrides.get("config", "")).partition(":")
    values = {name: _written(value).strip("()[]") for name, value in overrides.items() if name != "config"}
    parts = [Path(file).stem, own, *(f"{name}={value}" for name, value in values.items())]
    name = re.sub(r"[^\w.,=+-]+", "_", ",".join(filter(None, parts))) or "unchanged"
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(repr(overrides).encode()).hexdigest()[:8]}"
    return name
