"""`inception-jax export`."""

from __future__ import annotations

import argparse
from pathlib import Path

import jax

from inception_jax.cli.trained import add_trained_arguments, load
from inception_jax.distributed.mesh import make_mesh
from inception_jax.reporting.files import require_new
from inception_jax.training.export import model_of
from inception_jax.weights.export import FORMATS, INPUTS, export, outputs_of, writer_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    parser.add_argument("out", type=Path, help="the file to write; a JSON file that says how to use it comes beside it")
    parser.add_argument("--to", dest="format", choices=FORMATS, required=True, help="the format")
    parser.add_argument(
        "--input",
        choices=INPUTS,
        help="what a stablehlo or onnx file takes: pixels (the default), or pixels minus mean over std",
    )
    parser.add_argument(
        "--fold-bn",
        action="store_true",
        help="fold batch norm into the convolutions before it; for stablehlo, onnx and safetensors",
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes the file, if it computes what the network does, and prints how far it is off."""
    writer_for(arguments.out, arguments.format, arguments.input)
    for path in outputs_of(arguments.out, arguments.format):  # said before the work rather than after it
        require_new(path, (path.suffix,))
    model = model_of(load(arguments, make_mesh(jax.devices()[:1])))
    done = export(model, arguments.out, arguments.format, input=arguments.input, fold_bn=arguments.fold_bn)
    what = "logits" if model.network.num_classes else "features"
    print(
        f"{arguments.out}: {model.meta.network} {model.meta.variant} as {arguments.format}, "
        f"{arguments.out.stat().st_size:,} bytes; its {what} of random images differ from the network's by at most "
        f"{done.largest:.3g}, which is {done.relative:.3g} of their range"
    )
    return 0
