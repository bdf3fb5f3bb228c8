"""Keras' names: `keras.applications.InceptionV3` and `InceptionResNetV2`, which have no auxiliary heads.

A tensor is called by its layer and itself: `conv2d_17/kernel`, `batch_normalization_17/moving_mean`. Most layers
carry a number that counts all that the process has made so far, so only their order says which they are. Both
networks are written in the order of our tables: rows as they run, branches and their convolutions as listed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np

from inception_jax import models
from inception_jax.weights.mapping import Layers, Source, expand

CONV = {"kernel": "kernel", "bias": "bias"}
NORM = {"norm/bias": "beta", "norm/mean": "moving_mean", "norm/var": "moving_variance"}


def keras_source(network: str, variant: str, named: Mapping[str, str]) -> Source:
    """A source whose layers are numbered by Keras, but for those `named` by its author -> layers here.

    The batch norm behind a named convolution is called as that with `_bn`.
    """
    named = expand(named)
    order = {name: place for place, (name, _) in enumerate(models.architecture(network, variant).rows)}

    def table(names: Collection[str], layers: Layers) -> dict[str, str]:
        main = [layer for layer, held in layers.items() if layer.split("/")[0] in order and "norm/mean" in held]
        unnamed = sorted(set(main) - set(named.values()), key=lambda layer: (order[layer.split("/")[0]], layer))
        convs = dict(zip(_numbered("conv2d", names), unnamed, strict=False)) | named
        norms = dict(zip(_numbered("batch_normalization", names), unnamed, strict=False))
        norms |= {f"{theirs}_bn": ours for theirs, ours in named.items()}
        return {
            f"{theirs}/{tensors[what]}": path
            for rows, tensors in ((convs, CONV), (norms, NORM))
            for theirs, ours in rows.items()
            for what, path in layers.get(ours, {}).items()
            if what in tensors
        }

    return Source(network, variant, table, layout, restore=lambda name, array: array)


def layout(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Keras' kernels are HWIO and its dense weights [in, out], as ours."""
    return array


def _numbered(kind: str, names: Collection[str]) -> list[str]:
    """Layers that Keras named by their kind alone, in the order in which it made them."""
    found = {match[0]: int(match[1] or 0) for name in names if (match := re.match(rf"{kind}(?:_(\d+))?(?=/)", name))}
    return sorted(found, key=found.__getitem__)


INCEPTION_V3 = keras_source("inception_v3", "slim", {"predictions": "logits"})

INCEPTION_RESNET_V2 = keras_source(
    "inception_resnet_v2",
    "slim",
    {
        "block35_{1..10}_conv": "block35_{1..10}/up",
        "block17_{1..20}_conv": "block17_{1..20}/up",
        "block8_{1..10}_conv": "block8_{1..10}/up",
        "conv_7b": "conv2d_7b",
        "predictions": "logits",
    },
)
