"""Networks with random weights under which activations keep their size, to be written and read again."""

import zlib
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from inception_jax import models
from inception_jax.weights.checkpoint import Meta, abstract_of, network_of
from inception_jax.weights.preprocessing import Preprocessing
from inception_jax.weights.writers import Model
from tests.seeded import GAIN


def random_model(
    network: str,
    variant: str = "",
    size: int = 0,
    num_classes: int = 10,
    aux: bool = False,
    mean: tuple[float, float, float] = (120.0, 115.0, 100.0),
    std: tuple[float, float, float] = (60.0, 57.0, 58.0),
    **options: Any,
) -> Model:
    """A model of any network; `options` as of `models.create`, and every value a function of its path alone."""
    variant = variant or next(iter(models.variants(network)))
    size = size or max(models.smallest_input(models.architecture(network, variant).rows), 32)
    names = tuple(f"class {number}" for number in range(num_classes))
    meta = Meta(network, variant, num_classes, aux, Preprocessing(size, mean=mean, std=std), options, class_names=names)
    made = network_of(meta)
    return Model(made, random_variables(made, size), meta)


def random_variables(network: models.Network, size: int) -> dict[str, Any]:
    flat: Any = flatten_dict(abstract_of(network, size), sep="/")
    variables = {path: _values(path, leaf.shape, network.style.norm is not None) for path, leaf in flat.items()}
    return unflatten_dict(variables, sep="/")


def _values(path: str, shape: tuple[int, ...], norm: bool) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(path.encode()))
    match path.rpartition("/")[2]:
        case "kernel" | "depthwise":
            gain = GAIN if norm else 1.0
            values = rng.normal(0, np.sqrt(2 / gain / np.prod(shape[:-1])), shape)
        case "mean" | "bias":
            values = rng.normal(0, 0.1, shape)
        case _:  # scales and variances
            values = rng.uniform(0.5, 1.5, shape)
    return values.astype(np.float32)
