"""The flags that name a trained run, shared by the commands that use one."""

from __future__ import annotations

import argparse
from pathlib import Path

from jax.sharding import Mesh

from inception_jax.training.experiment import Trained, load_trained


def add_trained_arguments(parser: argparse.ArgumentParser) -> None:
    """`--workdir` and `--checkpoint`."""
    parser.add_argument("--workdir", type=Path, required=True, help="a run directory made by `inception-jax train`")
    parser.add_argument(
        "--checkpoint", default="best", type=_which, metavar="best|newest|STEP", help="which weights; default: best"
    )


def load(arguments: argparse.Namespace, mesh: Mesh) -> Trained:
    """The weights that the flags name, on the devices of `mesh`."""
    return load_trained(arguments.workdir, arguments.checkpoint, mesh)


def _which(text: str) -> str | int:
    if text in ("best", "newest"):
        return text
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"best, newest or a step, not {text!r}")
