"""Which of our networks are networks of torchvision, timm and Keras, whose layers are fixed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict

from inception_jax import models
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.mapping import Source
from inception_jax.weights.writers.model import ExportError, Model

HAVE_HEADS = ("torchvision",)


def sources_of(library: str) -> dict[str, Source]:
    """Network -> its table, of one library of the catalogue."""
    entries = [entry for name, entry in CATALOGUE.items() if name.startswith(f"{library}/")]
    return {entry.source.network: entry.source for entry in entries}


def source_of(library: str, model: Model) -> Source:
    """The table of the model's network.

    Raises:
      ExportError: the library has no such network.
    """
    sources = sources_of(library)
    if model.meta.network not in sources:
        raise ExportError(f"{library} has no {model.meta.network}; it has {' and '.join(sources)}")
    return sources[model.meta.network]


def fitted(library: str, model: Model) -> Model:
    """The model as the library's network holds it, without auxiliary classifiers where that has none.

    Raises:
      ExportError: the library has no such network, or it differs: in width, in a row, in its batch norm or its heads.
    """
    source, ours = source_of(library, model), model.network
    theirs = models.create(source.network, variant=source.variant, num_classes=ours.num_classes)
    name = f"{library}'s {source.network} is the {source.variant} variant at width 1"
    if ours.style.width != 1:
        raise ExportError(f"{name}; these weights have width {ours.style.width:g}")
    different = [a[0] for a, b in zip(ours.rows, theirs.rows, strict=False) if a != b]
    if different or len(ours.rows) != len(theirs.rows):
        where = f", which differs at {different[0]}" if different else " of other rows"
        raise ExportError(f"{name}; these weights are of {described(model)}{where}")
    if _style(ours) != _style(theirs):
        raise ExportError(f"{name}; these weights are of {described(model)}, which differs in batch norm or activation")
    if library not in HAVE_HEADS:
        return _without_heads(model)
    if ours.heads and ours.heads != theirs.heads:
        raise ExportError(f"{name}; these weights have other auxiliary classifiers")
    return model


def described(model: Model) -> str:
    """The variant and its options, for a message."""
    options = ", ".join(f"{name}={value}" for name, value in model.meta.options.items())
    return f"{model.meta.network} {model.meta.variant}" + (f" with {options}" if options else "")


def _style(network: models.Network) -> Any:
    norm = network.style.norm
    return norm and (norm.epsilon, norm.scale), network.style.activation, network.style.biased, network.embedding


def _without_heads(model: Model) -> Model:
    heads = {head.name for head in model.network.heads}
    flat: Any = flatten_dict(model.variables, sep="/")
    kept = {path: value for path, value in flat.items() if path.split("/")[1] not in heads}
    network = model.network.clone(heads=())
    return Model(network, unflatten_dict(kept, sep="/"), replace(model.meta, aux=False))
