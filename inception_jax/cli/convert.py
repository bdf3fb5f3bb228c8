"""`inception-jax convert`."""

from __future__ import annotations

import argparse
from pathlib import Path

import jax

from inception_jax.reporting.files import require_new
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.checkpoint import save_checkpoint, sidecar_of
from inception_jax.weights.convert import convert


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("source", type=Path, help="a file of public weights; for a TensorFlow checkpoint its name")
    parser.add_argument("out", type=Path, help="the checkpoint to write, NAME.safetensors; NAME.json comes beside it")
    parser.add_argument(
        "--as",
        dest="name",
        default="",
        metavar="SOURCE_NAME",
        help=f"default: found out; one of {', '.join(CATALOGUE)}",
    )
    parser.add_argument(
        "--num-classes", type=int, help="1000 drops the background of 1001, 0 the classifiers; default: the file's own"
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes the checkpoint and prints what it is."""
    for path in (arguments.out, sidecar_of(arguments.out)):  # said before the work rather than after it
        require_new(path, (path.suffix,))
    variables, meta = convert(arguments.source, arguments.name, arguments.num_classes)
    save_checkpoint(arguments.out, variables, meta)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    print(
        f"{arguments.out}: {meta.network} {meta.variant} from {meta.source}, {meta.num_classes} classes, "
        f"{'with' if meta.aux else 'without'} auxiliary classifiers, {parameters:,} parameters"
    )
    return 0
