"""Our own checkpoint: safetensors with a JSON sidecar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inception_jax.weights.checkpoint import SUFFIX, load, save_checkpoint
from inception_jax.weights.writers.model import Model, answers


class CheckpointWriter:
    """Writes what `--weights` of every command reads, heads included."""

    suffixes = (SUFFIX,)
    folds = True

    def fitted(self, model: Model) -> Model:
        """Every model fits."""
        return model

    def write(self, path: Path, model: Model) -> None:
        """Writes `path` and its sidecar."""
        save_checkpoint(path, model.variables, model.meta)

    def run(self, path: Path, model: Model, images: np.ndarray) -> np.ndarray:
        """Reads the file, with its network, and runs it."""
        return answers(Model(*load(path)), images)

    def about(self, model: Model) -> dict[str, Any]:
        """Nothing: the checkpoint has its own sidecar."""
        return {}
