"""A network and its weights as a file of another program, which is run before anyone gets it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inception_jax.new_file import OutputFileError, new_file
from inception_jax.weights.checkpoint import sidecar_of
from inception_jax.weights.folding import fold
from inception_jax.weights.writers import FORMATS, INPUTS, ExportError, Model, Writer, writer_of
from inception_jax.weights.writers.model import answers

__all__ = ["FORMATS", "INPUTS", "Difference", "ExportError", "Model", "export", "outputs_of", "writer_for"]

IMAGES, SEED = 2, 0
TOLERANCE = 1e-4  # of the range of the logits


@dataclass(frozen=True)
class Difference:
    """How far a file's answers to random images are from the network's own.

    Attributes:
      largest: of any logit (or feature).
      range: from the least to the greatest of the network's own.
    """

    largest: float
    range: float

    @property
    def relative(self) -> float:
        """The largest difference as a share of the range."""
        return self.largest / self.range if self.range else float("inf") if self.largest else 0.0


def writer_for(path: Path, format: str, input: str | None = None) -> Writer:
    """The writer of `path`, found before anything is computed.

    Raises:
      OutputFileError: a file of `format` is not called so.
      ExportError: the format needs a package that is not installed, or takes no `input`.
    """
    writer = writer_of(format, input)
    if not path.name.endswith(writer.suffixes):
        raise OutputFileError(f"{path}: the name must end in {' or '.join(writer.suffixes)}")
    return writer


def outputs_of(path: Path, format: str) -> tuple[Path, Path]:
    """The file and its JSON sidecar."""
    return path, sidecar_of(path) if format == "safetensors" else path.with_name(f"{path.name}.json")


def export(model: Model, path: Path, format: str, *, input: str | None = None, fold_bn: bool = False) -> Difference:
    """Writes `path` and a sidecar, whole or not at all, if the file computes what the network does.

    Args:
      model: the network with its weights.
      path: a new file; its name ends in a suffix of the format.
      format: one of `FORMATS`.
      input: see `writers.writer_of`.
      fold_bn: fold batch norm into the convolutions before it.

    Returns:
      The difference, of `IMAGES` random images, between the file's answers and those of the model as it was given.

    Raises:
      ExportError: the format cannot hold the network, or the file differs by more than `TOLERANCE` of the range.
      NothingToFold: `fold_bn` for a network without batch norm.
      OutputFileError: the file cannot be written.
    """
    writer = writer_for(path, format, input)
    if fold_bn and not writer.folds:
        raise ExportError(f"{format}'s network has batch norm, which its weights fill; leave out --fold-bn")
    fitted = writer.fitted(model)
    if fold_bn:
        fitted = Model(*fold(fitted.network, fitted.variables), replace(fitted.meta, folded=True))
    file, sidecar = outputs_of(path, format)
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            scratch = Path(folder) / path.name
            writer.write(scratch, fitted)
            difference = _difference(model, fitted, writer, scratch)
            text = _sidecar(fitted, writer, format, difference) or outputs_of(scratch, format)[1].read_bytes()
            with new_file(sidecar) as out:
                out.write(text)
            try:  # the file last: where it is, all is
                with new_file(file) as out, scratch.open("rb") as data:
                    shutil.copyfileobj(data, out)
            except BaseException:
                sidecar.unlink()
                raise
    except OSError as error:
        raise OutputFileError(f"{path} cannot be written: {error.strerror or error}") from error
    return difference


def _difference(model: Model, fitted: Model, writer: Writer, file: Path) -> Difference:
    size = model.meta.preprocessing.size
    images = np.random.default_rng(SEED).integers(0, 256, (IMAGES, size, size, 3), np.uint8)
    expected, found = answers(model, images), writer.run(file, fitted, images)
    if expected.shape != found.shape:
        raise ExportError(f"the file gives {found.shape} where the network gives {expected.shape}; nothing is written")
    difference = Difference(float(np.abs(found - expected).max()), float(np.ptp(expected)))
    if not difference.relative <= TOLERANCE:  # NaN fails too
        raise ExportError(
            f"the file's answers to random images differ by {difference.largest:.3g}, {difference.relative:.3g} of "
            f"their range, which is more than {TOLERANCE:g}; nothing is written"
        )
    return difference


def _sidecar(model: Model, writer: Writer, format: str, difference: Difference) -> bytes:
    """What a person needs to use the file, as JSON; empty if the writer makes a sidecar itself."""
    about = writer.about(model)
    if not about:
        return b""
    verified: dict[str, Any] = {"random_images": IMAGES, "largest_difference": difference.largest}
    verified |= {"range": difference.range, "relative": difference.relative}
    described = {"format": format, **about, **dataclasses.asdict(model.meta), "verified": verified}
    return (json.dumps(described, indent=2, ensure_ascii=False) + "\n").encode()
