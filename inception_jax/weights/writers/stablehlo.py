"""StableHLO: the compiled-from form of a network with its weights, which JAX alone can run, on any device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from inception_jax.weights.writers.model import Model, main_output, normalised, outputs

PLATFORMS = ("cpu", "tpu", "cuda")


class StableHloWriter:
    """Writes a `jax.export` artefact for any number of images and every platform of `PLATFORMS`.

    Args:
      input: `uint8`, pixels as they are, or `float32`, pixels minus `mean` over `std`.
    """

    suffixes = (".stablehlo",)
    folds = True

    def __init__(self, input: str = "uint8") -> None:
        self.input = input

    def fitted(self, model: Model) -> Model:
        """Every model fits; its auxiliary classifiers are for training and are not computed."""
        return model

    def write(self, path: Path, model: Model) -> None:
        """Writes `path`."""
        preprocessing = model.meta.preprocessing

        def computation(images: jax.Array) -> dict[str, jax.Array]:
            return outputs(model, normalised(images, preprocessing) if self.input == "uint8" else images)

        (batch,) = export.symbolic_shape("batch")
        images = jax.ShapeDtypeStruct((batch, preprocessing.size, preprocessing.size, 3), jnp.dtype(self.input))
        path.write_bytes(export.export(jax.jit(computation), platforms=PLATFORMS)(images).serialize())

    def run(self, path: Path, model: Model, images: np.ndarray) -> np.ndarray:
        """Reads the artefact and calls it."""
        batch = images if self.input == "uint8" else normalised(images, model.meta.preprocessing)
        called = export.deserialize(bytearray(path.read_bytes())).call(batch)
        return np.asarray(called[main_output(model)])

    def about(self, model: Model) -> dict[str, Any]:
        """Input and outputs."""
        return {"platforms": PLATFORMS, **signature(model, self.input)}


def signature(model: Model, input: str) -> dict[str, Any]:
    """Input and outputs of a computation, as data; the number of images is free."""
    size = model.meta.preprocessing.size
    means = {
        "uint8": "RGB pixels, 0 to 255; preprocessing.mean and .std are applied inside",
        "float32": "RGB, (pixels - preprocessing.mean) / preprocessing.std",
    }
    abstract = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    found = jax.eval_shape(lambda images: outputs(model, images), abstract)
    return {
        "input": {"name": "images", "shape": ["batch", size, size, 3], "dtype": input, "meaning": means[input]},
        "outputs": {name: {"shape": ["batch", *out.shape[1:]], "dtype": "float32"} for name, out in found.items()},
    }
