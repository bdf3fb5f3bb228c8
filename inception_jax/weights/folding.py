"""Batch norm folded into the convolution before it: the same function of an image, with fewer operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from inception_jax import models
from inception_jax.errors import UserError


class NothingToFold(UserError, ValueError):
    """A network without batch norm."""


def without_norm(network: models.Network) -> models.Network:
    """The network whose convolutions have a bias and no batch norm, which holds what `fold` makes."""
    return network.clone(style=replace(network.style, norm=None))


def fold(network: models.Network, variables: Mapping[str, Any]) -> tuple[models.Network, dict[str, Any]]:
    """Folds the running statistics into kernels and biases, as inference uses them.

    With f = scale / sqrt(var + epsilon), convolving by kernel x f and adding (bias - mean) x f + shift is what
    convolution and batch norm do. Computed in float64 and rounded once. What is folded cannot be trained further
    as it was: its statistics no longer follow the images.

    Args:
      network: with batch norm.
      variables: its `params` and `batch_stats`.

    Returns:
      `without_norm(network)` and its variables, NumPy arrays of float32.

    Raises:
      NothingToFold: the network has no batch norm, or one by activation.
    """
    if network.style.norm is None:
        raise NothingToFold("the network has no batch norm that could be folded; leave out --fold-bn")
    flat: Any = flatten_dict(dict(variables), sep="/")
    values = {path: np.asarray(value, np.float64) for path, value in flat.items()}
    folded = {path: value for path, value in values.items() if "/norm/" not in path}
    for path in values:
        if not path.endswith("/norm/mean"):
            continue
        layer = path.removeprefix("batch_stats/").removesuffix("/norm/mean")
        norm, kernel, bias = f"params/{layer}/norm", f"params/{layer}/kernel", f"params/{layer}/bias"
        variance = values[f"batch_stats/{layer}/norm/var"]
        if variance.ndim > 1:
            raise NothingToFold(
                f"{layer} normalises each activation by itself, which no kernel can; leave out --fold-bn"
            )
        factor = values.get(f"{norm}/scale", np.ones(())) / np.sqrt(variance + network.style.norm.epsilon)
        folded[kernel] = values[kernel] * factor
        folded[bias] = (values.get(bias, np.zeros(())) - values[path]) * factor + values[f"{norm}/bias"]
    rounded = {path: np.asarray(value, np.float32) for path, value in folded.items()}
    return without_norm(network), unflatten_dict(rounded, sep="/")
