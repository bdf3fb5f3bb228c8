"""Runs Keras' networks on seeded weights, in a process of its own: python -m tests.weights.keras_peer FILE.

Keras chooses its backend from the environment when it is imported, and numbers layers over the whole process.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import keras
import numpy as np

from tests import seeded

SIZE = 139
ENDPOINTS = {
    "inception_v3": {"mixed_5b": "mixed0", "mixed_6e": "mixed7", "mixed_7c": "mixed10"},
    "inception_resnet_v2": {"mixed_5b": "mixed_5b", "mixed_6a": "mixed_6a", "mixed_7a": "mixed_7a"},
}
NETWORKS = {
    "inception_v3": keras.applications.InceptionV3,
    "inception_resnet_v2": keras.applications.InceptionResNetV2,
}


def golden(build, endpoints: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """As the goldens of the PyTorch peers."""
    model = build(weights=None, input_shape=(SIZE, SIZE, 3), classifier_activation=None)
    shapes = {variable.path: tuple(variable.shape) for variable in model.variables}
    for variable in model.variables:
        variable.assign(seeded.tensor(variable.path, shapes[variable.path]))
    yield "tensors", seeded.listing(shapes)
    yield "images", np.array([1, SIZE])
    taps = [model.get_layer(layer).output for layer in endpoints.values()]
    silent: Any = 0  # its annotation knows the word "auto" only
    logits, *maps = keras.Model(model.input, [model.output, *taps]).predict(seeded.images(1, SIZE), verbose=silent)
    yield "logits", logits
    for name, values in zip(endpoints, maps, strict=True):
        yield f"mean/{name}", values.mean((1, 2))


def empty(_: keras.Initializer, shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
    """In the place of random numbers that `golden` overwrites: JAX would compile a sampler for each shape."""
    return np.zeros(shape, dtype)


if __name__ == "__main__":
    with mock.patch.object(keras.initializers.VarianceScaling, "__call__", empty):
        found = {
            f"{network}:{key}": value
            for network, build in NETWORKS.items()
            for key, value in golden(build, ENDPOINTS[network])
        }
    np.savez(sys.argv[1], allow_pickle=False, **found)
