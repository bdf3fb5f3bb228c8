"""Keras' networks, written by Keras itself: `.weights.h5` with the weights, or `.keras` with the network too."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from inception_jax.weights.mapping import to_tensors
from inception_jax.weights.writers.library import fitted, source_of
from inception_jax.weights.writers.model import ExportError, Model, normalised

_APPLICATIONS = {"inception_v3": "InceptionV3", "inception_resnet_v2": "InceptionResNetV2"}
_WEIGHTS = ".weights.h5"


class KerasWriter:
    """Fills `keras.applications`' own network and lets Keras save it, so that file and names are Keras' own."""

    suffixes = (_WEIGHTS, ".keras")
    folds = False

    def __init__(self) -> None:
        """Looks for Keras.

        Raises:
          ExportError: it is not installed.
        """
        self._keras = _keras()

    def fitted(self, model: Model) -> Model:
        """Without the auxiliary classifiers, which Keras has not; see `library.fitted`."""
        return fitted("keras", model)

    def write(self, path: Path, model: Model) -> None:
        """Writes `path`."""
        network = self._build(model)
        names = {variable.path: variable for variable in network.variables}
        tensors = to_tensors(source_of("keras", model), model.variables, names)
        for name, variable in names.items():
            variable.assign(tensors[name])
        if path.name.endswith(_WEIGHTS):
            network.save_weights(path)
        else:
            network.save(path)

    def run(self, path: Path, model: Model, images: np.ndarray) -> np.ndarray:
        """Loads the file into a new network of Keras and runs that."""
        if path.name.endswith(_WEIGHTS):
            network = self._build(model)
            network.load_weights(path)
        else:
            network = self._keras.models.load_model(path, compile=False)
        batch = np.asarray(normalised(images, model.meta.preprocessing))
        return np.asarray(network.predict(batch, verbose=0))

    def about(self, model: Model) -> dict[str, Any]:
        """The network that takes the file."""
        name = _APPLICATIONS[model.meta.network]
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(model).items())
        return {
            "network_there": f"keras.applications.{name}({arguments})",
            "load": "network.load_weights(FILE) for .weights.h5, keras.models.load_model(FILE) for .keras",
        }

    def _build(self, model: Model) -> Any:
        return getattr(self._keras.applications, _APPLICATIONS[model.meta.network])(**_arguments(model))


def _arguments(model: Model) -> dict[str, Any]:
    size, classes = model.meta.preprocessing.size, model.network.num_classes
    top = {"classes": classes, "classifier_activation": None} if classes else {"pooling": "avg"}
    return {"weights": None, "include_top": bool(classes), "input_shape": (size, size, 3), **top}


def _keras() -> ModuleType:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # read when Keras is imported
    try:
        import keras
    except ImportError as error:
        raise ExportError("--to keras needs Keras, which comes with the extra [keras] of this package") from error
    return keras
