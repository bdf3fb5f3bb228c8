"""Training that starts from a weights file: `config.init`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict

from inception_jax import models
from inception_jax.config import Config, ConfigError
from inception_jax.config.model import Model
from inception_jax.training.run_directory import read_config
from inception_jax.training.state import TrainState
from inception_jax.training.trained import described, read_weights
from inception_jax.weights.checkpoint import sha256_of

Flat = Mapping[str, np.ndarray]
"""Variables by path: `params/conv1/kernel`."""

_STRUCTURE = ("name", "variant", "width", "options")
_SHOWN = 12
_FEW = 4


def with_weights_file(config: Config, workdir: Path) -> tuple[Config, list[str]]:
    """What the file of `config.init` decides: preprocessing and SHA-256 are its own.

    All of section `data` that says how pixels become the network's input is taken from the file, but for
    `image_size`: the networks take others, and a resized image grows with it. Where the run in `workdir` has begun,
    the file need not be there any more.

    Returns:
      The config to run, and a line for every field that the file changed.

    Raises:
      ConfigError: no file is named but a field that concerns one is given, or the file is not the one whose SHA-256
        is given, or of another network than `config.model`.
      BadCheckpoint: it cannot be read.
    """
    init = config.init
    if not init.weights:
        if init.skip or init.sha256:
            raise ConfigError("config.init.skip or sha256 is given, and config.init.weights names no file")
        return config, []
    path = Path(init.weights).expanduser()
    if not path.exists() and (workdir / "config.json").exists() and (begun := read_config(workdir)).init.sha256:
        sha256, theirs = begun.init.sha256, begun
    else:
        meta, theirs = described(path)
        if difference := _other_network(config.model, theirs.model):
            raise ConfigError(f"{path} holds another network than config.model: {difference}")
        if meta.folded:
            raise ConfigError(f"{path}: batch norm is folded into its convolutions; train from a file that is not so")
        sha256 = sha256_of(path)
    if init.sha256 not in ("", sha256):
        raise ConfigError(f"config.init.sha256 is {init.sha256}, that of {path} {sha256}: it is another file")
    fields = ("eval_resize", "eval_crop", "interpolation", "mean", "std")
    side = round(theirs.data.eval_side * config.data.image_size / theirs.data.image_size)
    data = replace(config.data, eval_side=side, **{name: getattr(theirs.data, name) for name in fields})
    changes = [
        f"config.data.{field.name}: {before!r} -> {after!r}, as {path} says"
        for field in dataclasses.fields(data)
        if (before := getattr(config.data, field.name)) != (after := getattr(data, field.name))
    ]
    return replace(config, init=replace(init, sha256=sha256), data=data), changes


def read_initial(config: Config, network: nn.Module) -> Flat:
    """The variables that a run starts from, those that `config.init.skip` names left out.

    Raises:
      ConfigError: a variable that is not skipped is missing in the file, has no place in the network or another shape
        there; or a pattern that skips nothing.
      BadCheckpoint: the file cannot be read.
    """
    path, size = Path(config.init.weights).expanduser(), config.data.image_size
    _, variables, _ = read_weights(path)
    found: Any = flatten_dict(variables, sep="/")
    abstract = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((1, size, size, 3), np.float32))
    wanted: Any = flatten_dict(abstract, sep="/")
    skipped = _skipped(config.init.skip, [*wanted, *found])
    misfits = {
        "the file lacks": [name for name in wanted if name not in found],
        "the network has no place for": [name for name in found if name not in wanted],
        "of another shape": [
            f"{name} {found[name].shape} for {wanted[name].shape}"
            for name in wanted
            if name in found and found[name].shape != wanted[name].shape
        ],
    }
    misfits = {kind: [name for name in names if name.split(" ")[0] not in skipped] for kind, names in misfits.items()}
    if any(misfits.values()):
        raise ConfigError(f"{path} does not fit the network: {_listed(misfits, config.init.skip)}")
    return {name: value for name, value in found.items() if name not in skipped}


def start_from(state: TrainState, initial: Flat) -> TrainState:
    """`state` with these variables, and its averages too."""

    def replaced(tree: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: _like(leaf, initial.get(jax.tree_util.keystr(path, simple=True, separator="/"))), tree
        )

    variables = replaced({"params": state.params, "batch_stats": state.batch_stats})
    # once more, not the same arrays: the state is donated to the step, each of its buffers once
    replicas = state.replicas
    if replicas:
        both = [replaced({"params": tree})["params"] for tree in (replicas.params, replicas.arriving)]
        replicas = replicas.replace(params=both[0], arriving=both[1])
    return state.replace(**variables, average=replaced(state.average), replicas=replicas)


def _like(leaf: jax.Array, value: np.ndarray | None) -> jax.Array:
    """`value` laid over the devices as `leaf`, of which every process knows the whole."""
    if value is None:
        return leaf
    whole = np.broadcast_to(value.astype(leaf.dtype), leaf.shape)  # every replica has the same
    return jax.make_array_from_callback(leaf.shape, leaf.sharding, lambda index: whole[index])


def _skipped(expression: str, names: Iterable[str]) -> set[str]:
    """Names in whose path below the collection the pattern is found."""
    if not expression:
        return set()
    pattern = re.compile(expression)
    skipped = {name for name in names if pattern.search(name.partition("/")[2])}
    if not skipped:
        tops = sorted({name.split("/")[1] for name in names})
        raise ConfigError(f"config.init.skip: {expression!r} is found in no layer ({', '.join(tops)})")
    return skipped


def _other_network(asked: Model, theirs: Model) -> str:
    """What differs as `name: asked, theirs`, with the flags that mend it; empty where nothing does."""
    asked = replace(asked, variant=asked.variant or next(iter(models.variants(asked.name))))
    different = [name for name in _STRUCTURE if getattr(asked, name) != getattr(theirs, name)]
    listed = ", ".join(f"{name} is {getattr(theirs, name)!r}, not {getattr(asked, name)!r}" for name in different)
    flags = [f"--config.model.{name}={getattr(theirs, name)}" for name in different if name != "options"]
    return f"{listed}; {' '.join(flags) or 'change config.model.options'}" if different else ""


def _listed(misfits: Mapping[str, list[str]], skip: str) -> str:
    """The names, and the pattern that would skip them where few layers are concerned."""
    names = [name for names in misfits.values() for name in names]
    text = "; ".join(
        f"{kind} {', '.join(names[:_SHOWN])}{f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''}"
        for kind, names in misfits.items()
        if names
    )
    tops = sorted({name.split("/")[1] for name in names})
    if len(tops) > _FEW:
        return text
    pattern = "|".join([*([skip] if skip else []), f"^({'|'.join(tops)})/"])
    return f"{text}. To skip these: --config.init.skip='{pattern}'"
