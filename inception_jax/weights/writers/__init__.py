"""A network as a file of another program, and what such a file computes.

Each format is a module here, imported only when such a file is written, with a class of the methods of `Writer`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from inception_jax.weights.writers.model import ExportError, Model

__all__ = ["FORMATS", "INPUTS", "ExportError", "Model", "Writer", "writer_of"]

# `--to` -> module here, class there, what it is called with
_WRITERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "safetensors": ("checkpoint", "CheckpointWriter", ()),
    "stablehlo": ("stablehlo", "StableHloWriter", ()),
    "onnx": ("onnx", "OnnxWriter", ()),
    "torchvision": ("pytorch", "PyTorchWriter", ("torchvision",)),
    "timm": ("pytorch", "PyTorchWriter", ("timm",)),
    "keras": ("keras", "KerasWriter", ()),
}
FORMATS = tuple(_WRITERS)
INPUTS = ("uint8", "float32")
TAKES_INPUT = ("stablehlo", "onnx")


class Writer(Protocol):
    """A format that a network can be written in.

    Attributes:
      suffixes: with which a file's name may end.
      folds: whether it can hold a network whose batch norm is folded.
    """

    suffixes: tuple[str, ...]
    folds: bool

    def fitted(self, model: Model) -> Model:
        """The model without what the format leaves out.

        Raises:
          ExportError: what cannot be written, and why.
        """
        ...

    def write(self, path: Path, model: Model) -> None:
        """Writes `path`, in a folder that is the writer's alone."""
        ...

    def run(self, path: Path, model: Model, images: np.ndarray) -> np.ndarray:
        """What the file computes of uint8 [B, size, size, 3]: logits [B, classes], or features if it has none."""
        ...

    def about(self, model: Model) -> dict[str, Any]:
        """How to use the file, for its sidecar; empty if the file has a sidecar of its own."""
        ...


def writer_of(format: str, input: str | None = None) -> Writer:
    """The writer of one of `FORMATS`.

    Args:
      format: see above.
      input: one of `INPUTS`, what a computation takes; None for its default. Formats that hold weights alone take none.

    Raises:
      ExportError: an input for a format that takes none.
    """
    module, name, arguments = _WRITERS[format]
    if input is not None:
        if format not in TAKES_INPUT:
            raise ExportError(f"--input is for {' and '.join(TAKES_INPUT)}; {format} holds weights, not a computation")
        arguments = (*arguments, input)
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)(*arguments)
