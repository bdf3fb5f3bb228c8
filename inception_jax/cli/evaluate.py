"""`inception-jax evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from inception_jax.cli.config_flags import add_config_argument, load_config
from inception_jax.cli.trained import add_trained_arguments, load
from inception_jax.config import Config, ConfigError, difference, flatten
from inception_jax.data.sources import open_source
from inception_jax.distributed.mesh import make_mesh
from inception_jax.evaluation.evaluator import evaluate
from inception_jax.reporting.tables import FORMATS, render
from inception_jax.training.run_directory import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    add_config_argument(parser, "where data come from, if not as the run's own config says")
    parser.add_argument("--split", help="the split, or a slice of one: test[:50%%]; default: config.data.eval_split")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the result is printed")


def run(arguments: argparse.Namespace) -> int:
    """Counts every image of the split once and prints the result."""
    workdir: Path = arguments.workdir
    trained_config = read_config(workdir)
    config = load_config(arguments.config_flags, base=trained_config)
    _require_only_data_changes(trained_config, config)
    split = arguments.split or config.data.eval_split
    source = open_source(config.data.source, split, config.data.data_dir)
    mesh = make_mesh()
    trained = load(arguments, mesh)
    if source.class_names != trained.class_names:
        raise ConfigError(
            f"{config.data.source} {split} has other classes ({len(source.class_names)}) than those that "
            f"{workdir} was trained on ({len(trained.class_names)})"
        )
    result = evaluate(trained.network, trained.variables, source, config, mesh)
    row = {"run": str(workdir), "step": trained.step, "data": config.data.source, "split": split, **result}
    print(render([row], list(row), arguments.format))
    return 0


def _require_only_data_changes(trained: Config, asked: Config) -> None:
    """Raises ConfigError for a change that an evaluation would not heed."""
    changes = difference(flatten(trained), flatten(asked))
    ignored = [name for name in changes if not name.startswith("data.")]
    if ignored:
        raise ConfigError(
            f"config.{ignored[0]} was {changes[ignored[0]][0]!r} when the run was trained and cannot be changed "
            "to evaluate it; config.data.* and config.evaluation.* can"
        )
