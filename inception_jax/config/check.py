"""A config as it was written -> `Config`, or an error that names the field."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any

import ml_collections
from ml_collections import config_dict

from inception_jax.config.errors import ConfigError
from inception_jax.config.groups import check_groups
from inception_jax.config.init import check_init
from inception_jax.config.parallelism import check_parallelism
from inception_jax.config.scales import view_scales
from inception_jax.config.schema import Config
from inception_jax.config.sources import without_sources


def defaults() -> Any:
    """An `ml_collections.ConfigDict` of every field at its default, for an experiment to change what its row changes.

    The return type is Any because a ConfigDict's fields are known only when they are read.
    """
    return as_config_dict(Config())


def as_config_dict(config: Config) -> ml_collections.ConfigDict:
    """The fields of `config`, to be changed and resolved again."""
    values = ml_collections.ConfigDict(dataclasses.asdict(config))
    for section in values.values():
        if not isinstance(section, ml_collections.ConfigDict):
            continue
        for name, value in section.items():
            if value is None:
                section[name] = config_dict.placeholder(float)
    values.unlock()  # `resolve` knows near names, and the options of a network are its own
    return values


def resolve(config: Mapping[str, Any] | ml_collections.ConfigDict) -> Config:
    """Checks names, types, ranges and combinations.

    Raises:
      ConfigError: naming the field, the value and what would be right.
    """
    if isinstance(config, ml_collections.ConfigDict):
        config = config.to_dict()
    resolved = _build(Config, without_sources(config) if isinstance(config, Mapping) else config, "config")
    _check_combinations(resolved)
    return resolved


def _build(cls: type, values: Any, path: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} is a section, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for name in values:
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1)
            hint = f"did you mean {path}.{near[0]}?" if near else f"known: {', '.join(fields)}"
            raise ConfigError(f"{path}.{name}: no such field; {hint}")
    built = {}
    for name, value in values.items():
        hint, where = hints[name], f"{path}.{name}"
        if dataclasses.is_dataclass(hint):
            built[name] = _build(typing.cast(type, hint), value, where)
        else:
            built[name] = _check(value, hint, fields[name].metadata, where)
    return cls(**built)


def _check(value: Any, hint: Any, metadata: Mapping[str, Any], where: str) -> Any:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is tuple:
        args = typing.get_args(hint)
        if not isinstance(value, (tuple, list)) or len(value) != len(args):
            raise ConfigError(f"{where} must be {len(args)} numbers, got {value!r}")
        checked = tuple(_check(v, a, metadata, where) for v, a in zip(value, args, strict=True))
        if len(checked) == 2 and checked[0] > checked[1]:
            raise ConfigError(f"{where} must be (low, high), got {value!r}")
        return checked
    if typing.get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a mapping, got {value!r}")
        for name, option in value.items():
            if not isinstance(option, (bool, int, float, str)):
                raise ConfigError(f"{where}.{name} must be a number, text, true or false, got {option!r}")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        raise ConfigError(f"{where} must be {hint.__name__}, got {value!r} ({type(value).__name__})")
    if "choices" in metadata and value not in metadata["choices"]:
        near = difflib.get_close_matches(str(value), metadata["choices"], n=1)
        hint_text = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"{where} must be one of {', '.join(metadata['choices'])}, got {value!r}{hint_text}")
    if "range" in metadata:
        low, high = metadata["range"]
        if not low <= value <= high:  # NaN fails too
            raise ConfigError(f"{where} must lie in [{low:g}, {high:g}], got {value!r}")
    return value


def _check_combinations(config: Config) -> None:
    batch, micro = config.batch_size, config.optimizer.accumulate
    if batch % micro:
        raise ConfigError(f"config.batch_size ({batch}) must be a multiple of config.optimizer.accumulate ({micro})")
    group = config.model.bn_group_size
    if group and group < batch // micro and (batch // micro) % group:
        raise ConfigError(
            f"config.model.bn_group_size ({group}) must divide the {batch // micro} images of one forward pass "
            "(config.batch_size / config.optimizer.accumulate), or be 0"
        )
    if not config.steps and not config.epochs:
        raise ConfigError("config.epochs and config.steps are both 0: one of them must give the length of training")
    if config.data.crop in ("inception", "slim") and config.data.area[0] <= 0:
        raise ConfigError(f"config.data.area must start above 0, got {config.data.area}")
    if 0 < config.data.eval_side < config.data.image_size:
        raise ConfigError(
            f"config.data.eval_side ({config.data.eval_side}) is below config.data.image_size "
            f"({config.data.image_size}); the square is cut from the resized image"
        )
    if (config.augment.mixup or config.augment.cutmix) and batch // micro % 2:
        raise ConfigError(
            f"config.augment.mixup and cutmix pair images: {batch // micro} of one forward pass (config.batch_size / "
            "config.optimizer.accumulate) must be an even number"
        )
    check_groups(config.optimizer)
    check_parallelism(config.parallelism, batch, micro, group)
    check_init(config.init)
    view_scales(config)


def check_devices(config: Config, devices: int, processes: int) -> None:
    """Checks that the global batches divide over `devices` and `processes`.

    Raises:
      ConfigError: naming the batch size and the nearest legal ones.
    """
    micro = config.optimizer.accumulate
    batches = {"config.batch_size": (config.batch_size, devices * micro)}
    if config.evaluation.batch_size:
        batches["config.evaluation.batch_size"] = (config.evaluation.batch_size, devices)
    for name, (batch, unit) in batches.items():
        if batch % unit:
            below, above = batch // unit * unit, -(-batch // unit) * unit
            near = f"{below} or {above}" if below else f"{above}"
            raise ConfigError(
                f"{name} ({batch}) must be a multiple of {unit} "
                f"({devices} devices over {processes} processes x {unit // devices} microbatches); nearest: {near}"
            )
    workers = config.parallelism
    counted = config.batch_size * workers.replicas // workers.workers
    if workers.backups and counted % (devices * micro):
        raise ConfigError(
            f"config.parallelism.replicas ({workers.replicas}) have {counted} of the {config.batch_size} images of "
            f"config.batch_size, not a multiple of {devices * micro} ({devices} devices x {micro} microbatches)"
        )
