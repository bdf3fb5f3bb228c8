"""How PyTorch modules name and lay out their tensors, as torchvision and timm write their networks."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from inception_jax.weights.mapping import Layers, Source, expand

# a convolution without bias and its batch norm, which both code bases wrap as one module
CONV_NORM = {
    "kernel": "conv.weight",
    "norm/scale": "bn.weight",
    "norm/bias": "bn.bias",
    "norm/mean": "bn.running_mean",
    "norm/var": "bn.running_var",
}
# a convolution or linear layer by itself
PLAIN = {"kernel": "weight", "bias": "bias"}
# modules that are linear layers over a flattened map there, and kernels over that map here
FLATTENED = (".fc1.weight", "last_linear.weight")
COUNTER = ".num_batches_tracked"


def torch_source(network: str, variant: str, rows: Mapping[str, str]) -> Source:
    """A source whose tensors are a module's `state_dict`; `rows` are modules there -> layers here."""
    modules = expand(rows)

    def table(_: Collection[str], layers: Layers) -> dict[str, str]:
        found = {}
        for theirs, ours in modules.items():
            held = layers.get(ours, {})
            names = CONV_NORM if "norm/mean" in held else PLAIN
            found |= {f"{theirs}.{names[what]}": path for what, path in held.items() if what in names}
        return found

    return Source(network, variant, table, layout, ignored=(COUNTER,), restore=restore)


def layout(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Kernels OIHW -> HWIO and linear weights [out, in] -> [in, out]; vectors stay.

    A linear weight whose place is a kernel over a whole map read that map flattened as [C, H, W].
    """
    if array.ndim == 2 and len(shape) == 4 and array.size == math.prod(shape):
        height, width, channels, features = shape
        array = array.reshape(features, channels, height, width)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def restore(name: str, array: np.ndarray) -> np.ndarray:
    """`layout` undone: HWIO -> OIHW, flattened where the module is linear; [in, out] -> [out, in]; vectors stay."""
    if array.ndim != 4:
        return array.T
    array = array.transpose(3, 2, 0, 1)
    return array.reshape(len(array), -1) if name.endswith(FLATTENED) else array
