"""The flags that name trained weights, shared by the commands that use them."""

from __future__ import annotations

import argparse
from pathlib import Path

from jax.sharding import Mesh

from inception_jax.errors import UserError
from inception_jax.training.trained import Trained, load_trained, load_weights


def add_trained_arguments(parser: argparse.ArgumentParser) -> None:
    """`--workdir` with `--checkpoint`, or `--weights`: exactly one of the two."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--workdir", type=Path, help="a run directory made by `inception-jax train`")
    which.add_argument(
        "--weights", type=Path, metavar="FILE.safetensors", help="a weights file made by `inception-jax convert`"
    )
    parser.add_argument(
        "--checkpoint", default="best", type=_which, metavar="best|newest|STEP", help="which of a run; default: best"
    )


def load(arguments: argparse.Namespace, mesh: Mesh) -> Trained:
    """The weights that the flags name, on the devices of `mesh`."""
    if arguments.weights:
        return load_weights(arguments.weights, mesh)
    return load_trained(arguments.workdir, arguments.checkpoint, mesh)


def load_classifier(arguments: argparse.Namespace, mesh: Mesh) -> Trained:
    """As `load`.

    Raises:
      UserError: the network has no classifier.
    """
    trained = load(arguments, mesh)
    if not trained.network.num_classes:
        raise UserError(f"{trained.path} is a feature extractor without a classifier: use `inception-jax features`")
    return trained


def _which(text: str) -> str | int:
    if text in ("best", "newest"):
        return text
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"best, newest or a step, not {text!r}")
