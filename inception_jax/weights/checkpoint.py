"""A network's weights as one file that others read: safetensors, with a JSON file beside it that says what they are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save

from inception_jax import models
from inception_jax.errors import UserError
from inception_jax.models.network import abstract_variables
from inception_jax.new_file import new_file
from inception_jax.weights.folding import without_norm
from inception_jax.weights.preprocessing import Preprocessing
from inception_jax.weights.readers import safetensors
from inception_jax.weights.readers.files import BadFile

SUFFIX = ".safetensors"
VERSION = 2  # 1 did not name the rules by which images are resized
MOST_SIDECAR = 16 << 20  # bytes of JSON; a thousand class names have twenty thousand


class BadCheckpoint(UserError, ValueError):
    """A checkpoint that cannot be written or read."""


@dataclass(frozen=True)
class Meta:
    """What weights are.

    Attributes:
      network: its name in `models.names()`.
      variant: one of its variants.
      num_classes: size of the logits; 0 for a feature extractor.
      aux: whether the auxiliary classifiers are there.
      preprocessing: what the network expects of an image.
      options: of the network, on top of the variant's, and other arguments of `models.create`, such as `width`.
      folded: whether batch norm is folded into the convolutions before it (`folding.fold`).
      class_names: of every class in the order of the logits; empty if unknown.
      class_offset: classes before the first that labels count: 1 where the first is the background.
      source: name of the public code in the catalogue.
      source_file: name of the file that the weights came from.
      source_format: of that file.
      source_sha256: of that file.
      licence: a note on the terms.
      accuracy: top-1 and top-5 in per cent as the source publishes them, if it does.
    """

    network: str
    variant: str
    num_classes: int
    aux: bool
    preprocessing: Preprocessing
    options: Mapping[str, Any] = field(default_factory=dict)
    folded: bool = False
    class_names: tuple[str, ...] = ()
    class_offset: int = 0
    source: str = ""
    source_file: str = ""
    source_format: str = ""
    source_sha256: str = ""
    licence: str = ""
    accuracy: tuple[float, ...] = ()


def network_of(meta: Meta) -> models.Network:
    """The network that `meta` describes."""
    network = models.create(
        meta.network, variant=meta.variant, num_classes=meta.num_classes, aux=meta.aux, **dict(meta.options)
    )
    return without_norm(network) if meta.folded else network


def abstract_of(network: models.Network, size: int) -> dict[str, Any]:
    """Shapes and dtypes of the variables of `network`."""
    return abstract_variables(network, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sidecar_of(path: Path) -> Path:
    """The JSON file beside a checkpoint.

    Raises:
      BadCheckpoint: `path` does not end as a checkpoint does.
    """
    if path.suffix != SUFFIX:
        raise BadCheckpoint(f"{path}: a checkpoint's name must end in {SUFFIX}")
    return path.with_suffix(".json")


def save_checkpoint(path: Path, variables: Mapping[str, Any], meta: Meta) -> None:
    """Writes `path` and its sidecar, whole or not at all, and never over another file.

    Args:
      path: ends in `.safetensors`.
      variables: `params` and `batch_stats`.
      meta: what they are.

    Raises:
      BadCheckpoint: a value is no finite number, or a variance is below zero.
      OutputFileError: one of the files is there already or cannot be written.
    """
    sidecar = sidecar_of(path)
    tensors = {name: np.ascontiguousarray(value) for name, value in flatten_dict(variables, sep="/").items()}
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise BadCheckpoint(f"{name} holds values that are no finite numbers (NaN or infinite)")
        if name.endswith("norm/var") and value.min() < 0:
            raise BadCheckpoint(f"{name} holds variances below zero")
    data = save(tensors)
    described = {"version": VERSION, "weights_sha256": hashlib.sha256(data).hexdigest(), **dataclasses.asdict(meta)}
    text = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
    with new_file(sidecar) as file:
        file.write(text.encode())
    try:  # the weights last: where they are, all is
        with new_file(path) as file:
            file.write(data)
    except BaseException:
        sidecar.unlink()
        raise


def load(path: Path) -> tuple[models.Network, dict[str, Any], Meta]:
    """Reads a checkpoint of `save_checkpoint`.

    Returns:
      The network, its `params` and `batch_stats` as NumPy arrays, and what they are.

    Raises:
      BadCheckpoint: missing, cut off, altered or beside another's sidecar, or of a network that is unknown here.
    """
    described = _sidecar(path)
    meta = _meta(path, described)
    try:
        if sha256_of(path) != described.get("weights_sha256"):
            raise BadCheckpoint(f"{path} is damaged, or {sidecar_of(path).name} beside it is another checkpoint's")
        tensors = safetensors.read(path)
        network = network_of(meta)
        wanted: Any = flatten_dict(abstract_of(network, meta.preprocessing.size), sep="/")
    except OSError as error:
        raise BadCheckpoint(f"{path}: it cannot be read: {error.strerror}") from error
    except BadFile as error:
        raise BadCheckpoint(f"{path}: {error}") from error
    except (ValueError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise BadCheckpoint(f"{sidecar_of(path)}: {error}") from error
    found = {name: (value.shape, value.dtype) for name, value in tensors.items()}
    if found != {name: (leaf.shape, leaf.dtype) for name, leaf in wanted.items()}:
        odd = sorted(set(found.items()) ^ {(name, (leaf.shape, leaf.dtype)) for name, leaf in wanted.items()})
        raise BadCheckpoint(f"{path} does not hold the variables of its network: see {odd[0][0]}")
    return network, unflatten_dict({name: tensors[name] for name in wanted}, sep="/"), meta


def read_meta(path: Path) -> Meta:
    """What the sidecar of a checkpoint says, without reading the checkpoint.

    Raises:
      BadCheckpoint: it is missing or makes no sense.
    """
    return _meta(path, _sidecar(path))


def _sidecar(path: Path) -> dict[str, Any]:
    sidecar = sidecar_of(path)
    try:
        with sidecar.open("rb") as file:
            described = json.loads(file.read(MOST_SIDECAR))
    except OSError as error:
        raise BadCheckpoint(f"{sidecar}, which says what {path.name} is, cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{sidecar} is no JSON: {str(error)[:80]}") from error
    if not isinstance(described, dict) or described.get("version") != VERSION:
        raise BadCheckpoint(f"{sidecar} does not describe a checkpoint of version {VERSION}; convert its source again")
    return described


def _meta(path: Path, described: Mapping[str, Any]) -> Meta:
    try:
        return _typed(
            Meta, {name: value for name, value in described.items() if name not in ("version", "weights_sha256")}
        )
    except (TypeError, ValueError) as error:
        raise BadCheckpoint(f"{sidecar_of(path)}: {error}") from error


def _typed(kind: type, values: Mapping[str, Any]) -> Any:
    """A dataclass from JSON: lists are tuples there, and every field has its type."""
    types = typing.get_type_hints(kind)
    made = {}
    for name, value in values.items():
        if name not in types:
            raise ValueError(f"no field is called {name!r}")
        wanted = types[name]
        if dataclasses.is_dataclass(wanted) and isinstance(value, Mapping):
            made[name] = _typed(wanted, value)  # type: ignore[arg-type]
            continue
        base = typing.get_origin(wanted) or wanted
        if base is tuple and isinstance(value, list):
            inner, *rest = typing.get_args(wanted)
            if not all(_is(item, inner) for item in value) or (
                rest and rest[0] is not ... and len(value) != len(rest) + 1
            ):
                raise ValueError(f"{name} must be {wanted}, got {value!r:.80}")
            made[name] = tuple(value)
        elif isinstance(value, Mapping) if base not in (str, int, bool, float) else _is(value, base):
            made[name] = value
        else:
            raise ValueError(f"{name} must be {getattr(base, '__name__', base)}, got {value!r:.80}")
    return kind(**made)


def _is(value: Any, kind: type) -> bool:
    return type(value) is kind or (kind is float and type(value) is int)
