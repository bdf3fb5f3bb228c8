"""Network names to networks."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp

from inception_jax.models import bn_inception, googlenet, inception_resnet, inception_v2, inception_v3, inception_v4
from inception_jax.models.geometry import stages
from inception_jax.models.layers import Style
from inception_jax.models.network import Architecture, Network, Variant, shortened


class Definition(NamedTuple):
    """A network: the forms of it, and what builds one from its options."""

    variants: Mapping[str, Variant]
    build: Callable[[Any], Architecture]


_NETWORKS = {
    "googlenet": Definition(googlenet.VARIANTS, googlenet.build),
    "bn_inception": Definition(bn_inception.VARIANTS, bn_inception.build),
    "inception_v2": Definition(inception_v2.VARIANTS, inception_v2.build),
    "inception_v3": Definition(inception_v3.VARIANTS, inception_v3.build),
    "inception_v4": Definition(inception_v4.VARIANTS, inception_v4.build),
    "inception_resnet_v1": Definition(inception_resnet.V1_VARIANTS, inception_resnet.build_v1),
    "inception_resnet_v2": Definition(inception_resnet.V2_VARIANTS, inception_resnet.build_v2),
}


def names() -> tuple[str, ...]:
    """Every network, in the order of the papers."""
    return tuple(_NETWORKS)


def definition(name: str) -> Definition:
    """What the network `name` is made of."""
    return _find("network", name, _NETWORKS)


def variants(name: str) -> Mapping[str, Variant]:
    """Every variant of the network `name`, by its name; the first is the default."""
    return definition(name).variants


def architecture(name: str, variant: str = "", **options: Any) -> Architecture:
    """The table of a network, its input size and its paper's figures.

    Args:
      name: one of `names()`.
      variant: one of `variants(name)`; empty for the default.
      **options: fields of the network module's `Options`, on top of the variant's.

    Raises:
      ValueError: an unknown name, variant or option, or an option of the wrong type.
    """
    network = definition(name)
    base = _find(f"variant of {name}", variant or next(iter(network.variants)), network.variants).options
    known = typing.get_type_hints(type(base))
    for option, value in options.items():
        kind = _find(f"option of {name}", option, known)
        if typing.get_origin(kind) is Literal:
            if value not in typing.get_args(kind):
                choices = ", ".join(typing.get_args(kind))
                raise ValueError(f"option {option} of {name} must be one of {choices}; got {value!r}")
        elif type(value) is not kind:
            raise ValueError(f"option {option} of {name} must be {kind.__name__}, got {value!r}")
    return network.build(dataclasses.replace(base, **options))


def create(
    name: str,
    *,
    variant: str = "",
    num_classes: int = 1000,
    width: float = 1.0,
    modules: int = 0,
    aux: bool = True,
    dropout: float | None = None,
    bn_group_size: int = 32,
    bn_decay: float | None = None,
    dtype: Any = jnp.float32,
    fused: bool = True,
    remat: int = 0,
    scan: bool = False,
    **options: Any,
) -> Network:
    """Makes a network.

    Args:
      name: one of `names()`.
      variant: one of `variants(name)`; empty for the default.
      num_classes: size of the logits; 0 for a feature extractor without heads.
      width: multiplies every channel count, rounded to multiples of 8.
      modules: keep only the first of the network's modules, for quick tries; 0 for all of them.
      aux: build the auxiliary classifiers.
      dropout: share of features dropped before the classifier; None for the network's own.
      bn_group_size: consecutive images that share batch statistics; 0 for the whole batch.
      bn_decay: decay of the running statistics; None for the network's own.
      dtype: of activations and products; parameters and statistics are float32.
      fused: False runs every convolution by itself, the oracle of the fused execution.
      remat: how many of the network's stages (`table.stages`: one resolution each), from the images on, keep only
        their input for the backward pass and compute the rest again.
      scan: run equal blocks in a row as one scanned block. It has not paid anywhere yet. Compiled for TPU v5e,
        Inception-v4's training step is estimated a third slower so, with twice the temporary memory, and compiles
        no faster. On two CPU cores, a quarter as wide, the step took 4.9 times as long in Inception-v4 and 2.4 times
        in Inception-ResNet-v2, and compiled no faster.
      **options: see `architecture`.

    Raises:
      ValueError: what `architecture` raises, or a class count, width or number of stages out of range.
    """
    if num_classes < 0:
        raise ValueError(f"num_classes must be 0 or more, got {num_classes}")
    if not 0 < width <= 8:
        raise ValueError(f"width must lie in (0, 8], got {width}")
    arch = architecture(name, variant, **options)
    if modules:
        arch = shortened(arch, modules)
    available = len(stages(arch.rows))
    if not 0 <= remat <= available:
        raise ValueError(f"remat must be 0 to {available}, the stages of {name}, got {remat}")
    norm = arch.norm
    if norm:
        norm = dataclasses.replace(norm, group_size=bn_group_size)
        if bn_decay is not None:
            norm = dataclasses.replace(norm, decay=bn_decay)
    return Network(
        rows=arch.rows,
        heads=arch.heads if aux and num_classes else (),
        num_classes=num_classes,
        dropout=arch.dropout if dropout is None else dropout,
        style=Style(
            norm=norm,
            width=width,
            activation=arch.activation,
            kernel_init=arch.kernel_init,
            bias_init=arch.bias_init,
            biased=arch.biased,
            dtype=dtype,
            fused=fused,
        ),
        logits_stddev=arch.logits_stddev,
        embedding=arch.embedding,
        remat=remat,
        scan=scan,
    )


def _find(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"no {kind} is called {name!r}{hint} Known: {', '.join(known) or 'none'}")
