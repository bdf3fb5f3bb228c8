"""Classes of a classifier that no label counts: the background in front of ImageNet's thousand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict


def without_first_classes(variables: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The variables of a network, NumPy arrays, with the first `count` classes cut from every classifier.

    The other logits stay what they were; their softmax is that of the full one, given that it is none of those.
    """
    flat: Any = flatten_dict(variables, sep="/")
    cut = {place: leaf[..., count:] if "logits" in place.split("/") else leaf for place, leaf in flat.items()}
    return unflatten_dict(jax.tree.map(np.ascontiguousarray, cut), sep="/")
