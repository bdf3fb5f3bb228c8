"""What papers and public code print: errors in per cent, each with where it was read."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Published:
    """One row of a table or readme.

    Attributes:
      id: of the row, by which experiments name it: G GoogLeNet's paper, B batch norm's, R Rethinking, V Inception-v4's,
        and the rest public code.
      model: as it is called there.
      source: the paper with its table, or the repository.
      variant: what the row says of itself.
      crops: views of an image; empty where it is not said.
      ensemble: number of networks; empty where it is not said.
      split: what was evaluated, such as `val` or `test`.
      images: how many were evaluated, in the source's words: 48,238 are those of ILSVRC-2012's validation split that
        are not blacklisted.
      top1_error: in per cent; None where none is printed.
      top5_error: likewise.
      steps: training steps to an accuracy, where they are printed.
      status: PAPER-TEXT read in the paper, PRIMARY in the project's own files, SECONDARY where another one quotes it.
      remarks: what else the source says.
    """

    id: str
    model: str
    source: str
    variant: str
    crops: str
    ensemble: str
    split: str
    images: str
    top1_error: float | None
    top5_error: float | None
    steps: str
    status: str
    remarks: str


@cache
def published() -> dict[str, Published]:
    """Every row, by its id."""
    text = files("inception_jax.reporting").joinpath("published_results.csv").read_text()
    return {row["id"]: _published(row) for row in csv.DictReader(text.splitlines())}


def _published(row: dict[str, str]) -> Published:
    return Published(
        id=row["id"],
        model=row["model"],
        source=row["source"],
        variant=row["variant"],
        crops=row["crops"],
        ensemble=row["ensemble_size"],
        split=row["split"],
        images=row["n_images"],
        top1_error=_number(row["top1_error"]),
        top5_error=_number(row["top5_error"]),
        steps=row["training_steps_to_accuracy"],
        status=row["status"],
        remarks=row["remarks"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
