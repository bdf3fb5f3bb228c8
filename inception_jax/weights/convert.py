"""Files of public weights to our networks: which network they are is told by the names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from inception_jax import models
from inception_jax.data import imagenet
from inception_jax.errors import UserError
from inception_jax.weights.catalogue import CATALOGUE, Published
from inception_jax.weights.checkpoint import Meta, abstract_of, sha256_of
from inception_jax.weights.classes import without_first_classes
from inception_jax.weights.mapping import layers, to_variables
from inception_jax.weights.readers import FORMATS, Contents, read

BACKGROUND = "background"
_HASH = re.compile(r"-([0-9a-f]{8})\.pth$")


class UnknownWeights(UserError, ValueError):
    """Weights of no network that is known here."""


def convert(path: Path, name: str = "", num_classes: int | None = None) -> tuple[dict[str, Any], Meta]:
    """Reads public weights.

    Args:
      path: a file that `readers.read` knows.
      name: which entry of the catalogue it is; empty to find out.
      num_classes: None for the file's own; 1000 drops the background of 1001; 0 drops the classifiers.

    Returns:
      `params` and `batch_stats`, and what they are.

    Raises:
      BadFile: unreadable.
      UnknownWeights: of no network in the catalogue, or with another number of classes.
      WeightsMismatch: tensors that do not fill the network exactly.
    """
    contents = read(path)
    tensors = contents.tensors
    _refuse_second_scaling(path, tensors)
    name = name or recognise(path, contents)
    if name not in CATALOGUE:
        raise UnknownWeights(f"no source is called {name!r}; known are {', '.join(CATALOGUE)}")
    published = CATALOGUE[name]
    if contents.format not in published.formats:
        kinds = ", ".join(FORMATS[kind] for kind in published.formats)
        raise UnknownWeights(f"{path} is {FORMATS[contents.format]}, and {name} comes as {kinds}")
    places = _places(name, tensors)
    bias = places.get("params/logits/bias")
    theirs = int(tensors[bias].shape[-1]) if bias and tensors[bias].ndim else 0
    aux = theirs > 0 and any(place.split("/")[1] in _heads(name) for place in places)
    abstract = abstract_of(_network(published, theirs, aux), _input_size(published))
    variables = to_variables(published.source, tensors, abstract)
    variables, count, offset = _with_classes(path, variables, theirs, num_classes, published.imagenet, _heads(name))
    meta = Meta(
        network=published.source.network,
        variant=published.source.variant,
        num_classes=count,
        aux=aux and count > 0,
        preprocessing=published.preprocessing,
        options=dict(published.options),
        class_names=_class_names(count, offset, published.imagenet),
        class_offset=offset,
        source=name,
        source_file=contents.path.name,
        source_format=contents.format,
        source_sha256=sha256_of(contents.path),
        licence=published.licence,
        accuracy=published.accuracy or (),
    )
    return variables, meta


def recognise(path: Path, contents: Contents) -> str:
    """The entry of the catalogue whose tensors have these names.

    Raises:
      UnknownWeights: saying which entries were tried and how much of each is there, or which ones have these names.
    """
    tried = []
    for name, published in CATALOGUE.items():
        if contents.format not in published.formats or published.by_name:
            continue
        tensors = contents.tensors
        known = set(_places(name, tensors))
        used = sum(not tensor.endswith(published.source.ignored) for tensor in tensors)
        optional = {"logits", *_heads(name)}
        needed = {place for place in _variables(name) if place.split("/")[1] not in optional}
        if needed <= known and len(known) == used:
            return _one_alike(path, contents, name)
        tried.append((len(known) / max(len(needed), used), name, len(known & needed), len(needed), used - len(known)))
    if not tried:
        raise UnknownWeights(f"{path}: no known network comes as {FORMATS[contents.format]}")
    shown = "; ".join(
        f"{name} has {present} of its {needed} main tensors and {unused} without a place"
        for _, name, present, needed, unused in sorted(tried, reverse=True)
    )
    raise UnknownWeights(f"{path} holds no network that is known here. Tried: {shown}. Name one with --as to see more")


def _one_alike(path: Path, contents: Contents, name: str) -> str:
    """Of the entries whose tensors are called as those of `name`, the one that the file is.

    They treat images alike, or the file is a public one whose name has the start of its SHA-256, as PyTorch's have.
    """
    alike = {
        other: entry
        for other, entry in CATALOGUE.items()
        if entry.source is CATALOGUE[name].source and contents.format in entry.formats
    }
    if len({entry.preprocessing for entry in alike.values()}) == 1:
        return name
    digest = sha256_of(contents.path)
    for other, entry in alike.items():
        if any(digest.startswith(start) for file in entry.files for start in _HASH.findall(file)):
            return other
    raise UnknownWeights(
        f"{path}: several public files have tensors of these names and other images: say which it is by --as with one "
        f"of {', '.join(alike)}"
    )


@cache
def _variables(name: str) -> frozenset[str]:
    """Paths of all variables of an entry's network, heads included."""
    published = CATALOGUE[name]
    abstract = abstract_of(_network(published, 1000, True), _input_size(published))
    return frozenset(flatten_dict(abstract, sep="/"))


@cache
def _heads(name: str) -> frozenset[str]:
    """Names of the auxiliary classifiers of an entry's network."""
    return frozenset(head.name for head in _network(CATALOGUE[name], 1000, True).heads)


def _places(name: str, tensors: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Variables of an entry's network -> the tensor that is each, as far as names tell."""
    variables = _variables(name)
    table = CATALOGUE[name].source.table(list(tensors), layers(variables))
    return {place: tensor for tensor, place in table.items() if tensor in tensors and place in variables}


def _network(published: Published, num_classes: int, aux: bool) -> models.Network:
    source = published.source
    return models.create(
        source.network, variant=source.variant, num_classes=num_classes, aux=aux, **dict(published.options)
    )


def _input_size(published: Published) -> int:
    return models.architecture(published.source.network, published.source.variant).input_size


def _with_classes(
    path: Path, variables: dict[str, Any], theirs: int, wanted: int | None, imagenet_: bool, heads: frozenset[str]
) -> tuple[dict[str, Any], int, int]:
    """The variables with `wanted` classes, how many those are, and how many precede the first label."""
    background = int(imagenet_ and theirs == 1001)
    if wanted is None or wanted == theirs:
        return variables, theirs, background
    flat: Any = flatten_dict(variables, sep="/")
    if wanted == 0:
        kept = {place: leaf for place, leaf in flat.items() if place.split("/")[1] not in {"logits", *heads}}
        return unflatten_dict(kept, sep="/"), 0, 0
    if not background or wanted != 1000:
        choices = "0" + (", 1000" if background else "") + (f" or {theirs}" if theirs else "")
        raise UnknownWeights(f"{path} has {theirs} classes; --num-classes can be {choices}, not {wanted}")
    return without_first_classes(variables, 1), 1000, 0


def _class_names(count: int, offset: int, imagenet_: bool) -> tuple[str, ...]:
    if not imagenet_ or count - offset != 1000:
        return ()
    return (BACKGROUND,) * offset + tuple(one.name for one in imagenet.classes())


def _refuse_second_scaling(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Refuses a batch norm that scales or shifts itself where a layer behind it does (ONNX from Caffe)."""
    for name, value in tensors.items():
        for suffix, neutral in (("/bn_scale_0", 1), ("/bn_bias_0", 0)):
            if name.endswith(suffix) and not (value == neutral).all():
                raise UnknownWeights(f"{path}: {name} should be {neutral} throughout, as in the model zoo's graphs")
