"""`inception-jax COMMAND`: finds the command, runs it, and turns the user's mistakes into one clear line."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Sequence

import inception_jax
from inception_jax.cli.config_flags import split_config_flags
from inception_jax.errors import UserError

# Each is a module of this package with `add_arguments(parser)` and `run(arguments) -> exit code`, imported
# only when it is called: `--help` should not wait for JAX.
COMMANDS = {
    "prepare": "ImageNet from its archives to a data set that training and evaluation read",
    "train": "train an experiment, or continue it where it stopped",
    "compile": "the train step through the TPU compiler, without a TPU: memory, time and hours, as estimates",
    "launch": "print or run what starts an experiment on many hosts: TPU VMs, SLURM, GKE, or processes here",
    "sweep": "many runs of one question: train them one after the other, or a job each; one table of their results",
    "evaluate": "top-1 and top-5 of a trained run or converted weights over every image of a split",
    "ensemble": "several networks as one: the table of models x crops, as in the papers",
    "validate-all": "top-1 and top-5 of every weights file of a folder, beside what its source publishes",
    "predict": "classify image files or folders with a trained run or converted weights",
    "features": "what a layer of a network computes of images, as a NumPy archive or a Parquet table",
    "probe": "a linear probe or nearest neighbours on files of features",
    "fid": "Frechet Inception Distance between two folders of images",
    "report": "a paper's table beside runs: differences with intervals, curves, a verdict on every claim",
    "convert": "public weights of torchvision, timm, Keras, TF-slim, Caffe, ONNX or facenet as a checkpoint",
    "export": "trained or converted weights as a file of other programs: StableHLO, ONNX, torchvision, timm, Keras",
    "models": "every network and variant: size, parameters, multiply-adds, weights that fit, its paper's figures",
    "explain": "an experiment's recipe: each value with the paper, public code or choice that it comes from",
    "describe": "layers, shapes, parameters and multiply-adds of a network, beside its paper's",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0, 2 after a mistake of the user's, or what the command says."""
    arguments, config_flags = split_config_flags(sys.argv[1:] if argv is None else argv)
    parser = _parser(arguments[0] if arguments else "")
    parsed = parser.parse_args(arguments)
    if config_flags and not parsed.takes_config:
        parser.error(f"{parsed.command} takes no --config")
    parsed.config_flags = config_flags
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("absl").setLevel(logging.ERROR)  # orbax warns of what read-only means each time one is opened
    try:
        with warnings.catch_warnings():  # the caller's own way of showing them comes back
            warnings.showwarning = _show_warning
            return parsed.run(parsed)
    except UserError as error:
        print(f"inception-jax {parsed.command}: {error}", file=sys.stderr)
        if error.leaves_threads:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(2)
        return 2
    except BrokenPipeError:  # the reader, `head` say, has seen enough; nothing is left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"inception-jax {parsed.command}: interrupted", file=sys.stderr)
        return 130


def _parser(wanted: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inception-jax",
        description="The Inception family in JAX: train, evaluate and look at its networks.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=inception_jax.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
        )
        command.set_defaults(takes_config=False)
        if name == wanted:
            module = importlib.import_module(f"inception_jax.cli.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
