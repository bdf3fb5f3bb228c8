"""The schema of an experiment: every field, its type, range and meaning, checked once.

An experiment file returns an `ml_collections.ConfigDict` (see `defaults`). `resolve` turns it into
the frozen dataclasses below, or raises `ConfigError` naming the field, the value and what would be
right. Nothing here touches a device, so a typing error costs a second.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ml_collections
from ml_collections import config_dict

from inception_jax.errors import UserError

_LARGEST_SCALE = 8192  # twice the largest image_size; an image of it takes 200 MB


class ConfigError(UserError, ValueError):
    """A config that cannot be run. The message names the field, its value and the remedy."""


def _number(default: float, low: float, high: float, doc: str, *, neutral: bool = False) -> Any:
    return field(default=default, metadata={"range": (low, high), "doc": doc, "neutral": neutral})


def _choice(default: str, choices: tuple[str, ...], doc: str, *, neutral: bool = False) -> Any:
    return field(default=default, metadata={"choices": choices, "doc": doc, "neutral": neutral})


def _value(default: Any, doc: str, *, neutral: bool = False) -> Any:
    return field(default=default, metadata={"doc": doc, "neutral": neutral})


def _section(cls: type) -> Any:
    return field(default_factory=cls)


@dataclass(frozen=True)
class Model:
    """Which network, in which form."""

    name: str = _value("googlenet", "a name that `inception_jax.models.names()` lists")
    variant: str = _value("", "a variant of that network; empty is the network's default")
    width: float = _number(1.0, 0.01, 8.0, "multiplies the channels of every convolution")
    aux: bool = _value(True, "build the auxiliary classifiers (used in training only)")
    dropout: float | None = _number(None, 0.0, 0.99, "share dropped before the classifier; None: the network's own")  # type: ignore[arg-type]
    bn_group_size: int = _number(32, 0, 2**20, "images that share batch statistics; 0: the whole batch")
    bn_decay: float | None = _number(None, 0.0, 1.0, "decay of the running statistics; None: the network's own")  # type: ignore[arg-type]
    dtype: str = _choice("float32", ("float32", "bfloat16"), "of activations; parameters are float32")
    remat: int = _number(0, 0, 99, "stages, from the images on, that are computed again for the backward pass")
    scan: bool = _value(False, "run equal blocks in a row as one loop; not for CPU, which is slow at it")
    options: dict[str, Any] = field(
        default_factory=dict, metadata={"doc": "options of that network, checked by the registry"}
    )


@dataclass(frozen=True)
class Data:
    """Which images, and how they are cut."""

    source: str = _value("digits", "`tfds:NAME`, `folder:PATH` or `digits`")
    data_dir: str = _value("", "where TFDS keeps data sets; empty: TFDS_DATA_DIR, then the TFDS default", neutral=True)
    train_split: str = _value("train", "a split, or a slice of one: `train[:95%]`")
    eval_split: str = _value("validation", "the split that is watched while training")
    image_size: int = _number(224, 1, 4096, "height and width fed to the network, in pixels")
    crop: str = _choice(
        "inception", ("inception", "shift", "none"), "training crop: random area and aspect; random shift; whole image"
    )
    area: tuple[float, float] = _number((0.08, 1.0), 0.0, 1.0, "range of the crop's area, as a share of the image")  # type: ignore[arg-type]
    aspect: tuple[float, float] = _number((3 / 4, 4 / 3), 0.01, 100.0, "range of the crop's width / height")  # type: ignore[arg-type]
    shift: float = _number(0.125, 0.0, 0.5, "largest shift of `crop='shift'`, as a share of the side")
    flip: bool = _value(True, "mirror half of the training images")
    photometric: str = _choice(
        "none", ("none", "fast", "full"), "colour distortion: slim's fast mode, or all four distortions"
    )
    eval_crop: float = _number(0.875, 0.01, 1.0, "share of each side kept by the central evaluation crop")
    interpolation: str = _choice("bilinear", ("bilinear", "area", "nearest", "bicubic", "random"), "resize method")
    threads: int = _number(0, 0, 1024, "decoding threads of one host; 0: one a core", neutral=True)
    prefetch: int = _number(4, 1, 1024, "batches decoded ahead of the step", neutral=True)


@dataclass(frozen=True)
class Loss:
    """Softmax cross-entropy."""

    label_smoothing: float = _number(0.0, 0.0, 0.99, "mass spread evenly over all classes")
    aux_weight: float = _number(0.3, 0.0, 10.0, "weight of each auxiliary classifier's loss")


@dataclass(frozen=True)
class Optimizer:
    """The update rule, applied to the mean gradient over the global batch."""

    name: str = _choice("momentum", ("momentum", "rmsprop"), "momentum SGD, or RMSProp as TensorFlow 1 computes it")
    learning_rate: float = _number(0.01, 0.0, 1e3, "the schedule's peak")
    momentum: float = _number(0.9, 0.0, 0.9999, "decay of the momentum buffer")
    nesterov: bool = _value(False, "look ahead along the momentum")
    rms_decay: float = _number(0.9, 0.0, 0.9999, "RMSProp: decay of the mean square")
    epsilon: float = _number(1.0, 0.0, 1e3, "RMSProp: added inside the root")
    weight_decay: float = _number(0.0, 0.0, 10.0, "L2 on convolution and dense kernels, coupled: wd * |w|^2 / 2")
    clip_norm: float = _number(0.0, 0.0, 1e6, "largest global gradient norm; 0: no clipping")
    accumulate: int = _number(1, 1, 4096, "microbatches whose gradients are averaged into one update")


@dataclass(frozen=True)
class Schedule:
    """The learning rate over training, in epochs."""

    name: str = _choice("constant", ("constant", "staircase", "exponential", "cosine"), "shape after the warm-up")
    decay_factor: float = _number(0.94, 1e-6, 1.0, "staircase, exponential: factor per `decay_epochs`")
    decay_epochs: float = _number(2.0, 1e-6, 1e6, "staircase, exponential: epochs per factor")
    warmup_epochs: float = _number(0.0, 0.0, 1e6, "linear rise from zero")
    final_fraction: float = _number(0.0, 0.0, 1.0, "floor, as a share of the peak")


@dataclass(frozen=True)
class Average:
    """Exponential moving average of parameters and batch statistics; evaluation uses it."""

    decay: float = _number(0.0, 0.0, 0.999999, "0: no averaging")
    ramp: bool = _value(True, "decay at update n is min(decay, (1 + n) / (10 + n)), as TensorFlow's num_updates")


@dataclass(frozen=True)
class Evaluation:
    """Exact validation, while training and after; what a protocol is stands in docs/evaluation.md."""

    every_epochs: float = _number(1.0, 0.0, 1e6, "0: only at the end", neutral=True)
    batch_size: int = _number(0, 0, 2**20, "views computed together, global; 0: the training batch", neutral=True)
    protocol: str = _choice(
        "single", ("single", "10", "12", "144"), "views of an image: one central crop, or a paper's many", neutral=True
    )
    average: str = _choice(
        "probabilities", ("probabilities", "logits", "max"), "what is averaged over views, or the largest", neutral=True
    )
    scales: str = _value(
        "ratios",
        "shorter sides, in pixels, to which an image is resized, smallest first: `ratios` (256, 288, 320, 352 for "
        "224, in proportion), `soeaver` (320, 352, 384, 416 for 299) or numbers, `342,384,427,470`. 144 takes all "
        "four, 10 and 12 the first of a named choice or the one number",
        neutral=True,
    )
    square: str = _choice(
        "centre", ("centre", "warp"), "10 and 12: the centre of the image, or all of it, its aspect lost", neutral=True
    )


@dataclass(frozen=True)
class Checkpoint:
    """What is kept of a run."""

    every_epochs: float = _number(1.0, 0.0, 1e6, "0: only at the end", neutral=True)
    keep_last: int = _number(2, 1, 10**6, "newest checkpoints kept", neutral=True)
    keep_best: int = _number(1, 0, 10**6, "checkpoints kept for their validation top-1", neutral=True)


@dataclass(frozen=True)
class Log:
    """What is written while training."""

    every_steps: int = _number(50, 1, 10**9, "steps averaged into one row of metrics.jsonl")


@dataclass(frozen=True)
class Config:
    """One experiment. Sections are documented on their own classes."""

    seed: int = _number(0, 0, 2**31 - 1, "of initial weights, data order, crops, distortions and dropout")
    batch_size: int = _number(32, 1, 2**20, "images per update, over all devices and hosts")
    epochs: float = _number(1.0, 0.0, 1e6, "length in passes over the training split")
    steps: int = _number(0, 0, 10**12, "length in updates; 0: from `epochs`")
    model: Model = _section(Model)
    data: Data = _section(Data)
    loss: Loss = _section(Loss)
    optimizer: Optimizer = _section(Optimizer)
    schedule: Schedule = _section(Schedule)
    average: Average = _section(Average)
    evaluation: Evaluation = _section(Evaluation)
    checkpoint: Checkpoint = _section(Checkpoint)
    log: Log = _section(Log)


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
    resolved = _build(Config, config, "config")
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
        if checked != tuple(sorted(checked)):
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
    if config.data.crop == "inception" and config.data.area[0] <= 0:
        raise ConfigError(f"config.data.area must start above 0, got {config.data.area}")
    view_scales(config)


def view_scales(config: Config) -> tuple[int, ...]:
    """Shorter sides, in pixels, to which `evaluation.protocol` resizes an image: 4 for 144, 1 for 10 and 12, else none.

    Raises:
      ConfigError: `evaluation.scales` names none, too few or too many, or one below the network's input.
    """
    size, evaluation = config.data.image_size, config.evaluation
    wanted = {"single": 0, "10": 1, "12": 1, "144": 4}[evaluation.protocol]
    scales = _named_scales(evaluation.scales, size if wanted else 299)
    if not wanted:
        return ()
    if evaluation.protocol == "144" and evaluation.square == "warp":
        raise ConfigError("config.evaluation.square 'warp' is for protocols 10 and 12; 144 cuts three squares a scale")
    if evaluation.scales in ("ratios", "soeaver"):
        scales = scales[:wanted]
    if len(scales) != wanted:
        raise ConfigError(
            f"config.evaluation.scales must be {wanted} number{'s' * (wanted > 1)} for protocol "
            f"{evaluation.protocol}, got {evaluation.scales!r}"
        )
    if min(scales) < size:
        raise ConfigError(
            f"config.evaluation.scales ({evaluation.scales}): {min(scales)} is below config.data.image_size ({size}); "
            "a view is cut from a square of at least that side"
        )
    return scales


def _named_scales(text: str, size: int) -> tuple[int, ...]:
    if text == "ratios":
        return tuple(round(size * side / 224) for side in (256, 288, 320, 352))
    if text == "soeaver":
        if size != 299:
            raise ConfigError(f"config.evaluation.scales 'soeaver' is for config.data.image_size 299, not {size}")
        return 320, 352, 384, 416
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) <= _LARGEST_SCALE for part in parts):
        raise ConfigError(
            f"config.evaluation.scales must be 'ratios', 'soeaver' or numbers up to {_LARGEST_SCALE} such as "
            f"'256,288,320,352', got {text!r}"
        )
    return tuple(map(int, parts))


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
    """Fields of two flattened configs that differ and matter: `{field: (old, new)}`."""
    neutral = neutral_fields()
    return {
        name: (old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if name not in neutral and old.get(name) != new.get(name)
    }


def fingerprint(config: Config) -> str:
    """A hash of every field that can change the result, equal on all hosts of one run."""
    neutral = neutral_fields()
    matter = {name: value for name, value in flatten(config).items() if name not in neutral}
    return hashlib.sha256(json.dumps(matter, sort_keys=True).encode()).hexdigest()[:16]
