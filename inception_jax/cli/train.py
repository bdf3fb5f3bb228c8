"""`inception-jax train`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inception_jax.cli.config_flags import add_config_argument, load_config
from inception_jax.training.interruption import Interrupted
from inception_jax.training.loop import NonFiniteLoss, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_config_argument(parser, "the experiment, a Python file with get_config()")
    parser.add_argument(
        "--workdir", type=Path, required=True, help="the run directory; one that exists is continued, never overwritten"
    )


def run(arguments: argparse.Namespace) -> int:
    """Trains, prints the results and what to do next."""
    config = load_config(arguments.config_flags)
    workdir = arguments.workdir
    try:
        results = train(config, workdir)
    except Interrupted as stop:
        print(f"inception-jax train: {stop}", file=sys.stderr)
        return 128 + stop.signal
    except NonFiniteLoss as error:
        print(f"inception-jax train: {error}", file=sys.stderr)
        return 1
    split = config.data.eval_split
    print(
        f"\n{split} top-1 {results['validation/top1']:.2%}, top-5 {results['validation/top5']:.2%}"
        f" ({results['validation/images']:,} images, {results['steps']:,} steps, {results['seconds']:.0f} s)"
        f"\nrun directory: {workdir} (metrics.jsonl, learning_curves.png, checkpoints)"
        f"\nnext: inception-jax evaluate --workdir={workdir} --split={split}"
    )
    return 0
