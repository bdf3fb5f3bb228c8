"""What is written, and what it computes: the reference that every written file is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from inception_jax import models
from inception_jax.data.photometric import normalise
from inception_jax.errors import UserError
from inception_jax.weights.checkpoint import Meta
from inception_jax.weights.preprocessing import Preprocessing


class ExportError(UserError, ValueError):
    """A network that a format cannot hold, or a file that does not compute what the network does."""


@dataclass(frozen=True)
class Model:
    """A network with its weights.

    Attributes:
      network: computes in float32.
      variables: `params` and `batch_stats`, NumPy arrays.
      meta: what they are.
    """

    network: models.Network
    variables: dict[str, Any]
    meta: Meta


def normalised(images: Any, preprocessing: Preprocessing) -> jax.Array:
    """uint8 [B, H, W, 3] -> what the network takes, float32."""
    return normalise(images, preprocessing.mean, preprocessing.std)


def outputs(model: Model, images: Any) -> dict[str, jax.Array]:
    """What an exported computation gives of normalised images, float32 [B, H, W, 3], by name.

    `features` [B, C]; with classes `logits` and `probabilities` [B, classes]; of facenet's form `embedding` [B, E].
    """
    return _outputs(model.network, model.variables, images)


def answers(model: Model, images: np.ndarray) -> np.ndarray:
    """The logits of uint8 [B, H, W, 3], or the features of a network without classes, float32 [B, K]."""
    found = _jitted(model.network, model.variables, normalised(images, model.meta.preprocessing))
    return np.asarray(found[main_output(model)])


def main_output(model: Model) -> str:
    """The output that files are compared by."""
    return "logits" if model.network.num_classes else "features"


def _outputs(network: models.Network, variables: Any, images: Any) -> dict[str, jax.Array]:
    out: Any = network.apply(variables, images)
    found = {"features": out.features}
    if out.embedding is not None:
        found["embedding"] = out.embedding
    if out.logits is not None:
        found |= {"logits": out.logits, "probabilities": jax.nn.softmax(out.logits)}
    return found


# One compilation for every file that holds the same network.
_jitted = partial(jax.jit, static_argnums=0)(_outputs)
