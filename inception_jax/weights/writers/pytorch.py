"""State dicts of torchvision and timm, as safetensors: the name tables of the imports, run backwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from inception_jax.weights.checkpoint import abstract_of
from inception_jax.weights.mapping import to_tensors, to_variables
from inception_jax.weights.pytorch import COUNTER
from inception_jax.weights.readers import read
from inception_jax.weights.writers.library import fitted, source_of
from inception_jax.weights.writers.model import ExportError, Model, answers

_BUILDERS = {
    "torchvision": "torchvision.models.{network}(weights=None, init_weights=False, aux_logits={aux}, "
    "num_classes={classes}, transform_input=False)",
    "timm": "timm.create_model('{network}', num_classes={classes})",
}


class PyTorchWriter:
    """Writes what `load_state_dict` of a network of `library` takes, every tensor of it.

    Not as `.pth`: that is a pickle, which PyTorch alone should write, and safetensors is read by both libraries.
    """

    suffixes = (".safetensors",)
    folds = False

    def __init__(self, library: str) -> None:
        self.library = library

    def fitted(self, model: Model) -> Model:
        """Without the auxiliary classifiers if the library's network has none; see `library.fitted`."""
        if self.library == "torchvision" and not model.network.num_classes:
            raise ExportError("torchvision has no network without a classifier; these weights have no classes")
        return fitted(self.library, model)

    def write(self, path: Path, model: Model) -> None:
        """Writes `path`."""
        tensors = to_tensors(source_of(self.library, model), model.variables)
        # counts training batches, which a network of a fixed decay does not use; a strict load asks for it
        counters = [name.replace(".running_mean", COUNTER) for name in tensors if name.endswith(".running_mean")]
        save_file(tensors | {name: np.zeros((), np.int64) for name in counters}, path, metadata={"format": "pt"})

    def run(self, path: Path, model: Model, images: np.ndarray) -> np.ndarray:
        """Reads the file as `inception-jax convert` does and runs our network, which equals the library's."""
        abstract = abstract_of(model.network, model.meta.preprocessing.size)
        variables = to_variables(source_of(self.library, model), read(path).tensors, abstract)
        return answers(replace(model, variables=variables), images)

    def about(self, model: Model) -> dict[str, Any]:
        """The network that takes the file."""
        classes = model.network.num_classes
        build = _BUILDERS[self.library].format(
            network=model.meta.network, classes=classes, aux=bool(model.network.heads)
        )
        return {"network_there": build, "load": "network.load_state_dict(safetensors.torch.load_file(FILE))"}
