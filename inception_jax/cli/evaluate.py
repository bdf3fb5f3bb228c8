"""`inception-jax evaluate`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from inception_jax.cli.config_flags import add_config_argument, load_config
from inception_jax.cli.trained import add_trained_arguments, load_classifier
from inception_jax.config import Config, ConfigError, difference, flatten
from inception_jax.data.labels import relabelled
from inception_jax.data.sources import open_source
from inception_jax.distributed.mesh import make_mesh
from inception_jax.evaluation.evaluator import Answers, Evaluator
from inception_jax.evaluation.metrics import wilson
from inception_jax.evaluation.predictions import Predictions
from inception_jax.reporting import files
from inception_jax.reporting.progress import EvaluationProgress
from inception_jax.reporting.tables import FORMATS, render
from inception_jax.training.trained import Trained

_ERRORS = {"top-1 error (95 %)": "top1_error", "top-5 error (95 %)": "top5_error"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    add_config_argument(parser, "where images come from, if not as the run's own config says")
    parser.add_argument("--data", metavar="tfds:NAME|folder:PATH", help="the images; default: config.data.source")
    parser.add_argument("--split", help="the split, or a slice of one: test[:50%%]; default: config.data.eval_split")
    parser.add_argument(
        "--protocol", metavar="single|10|12|144", help="views of each image; default: config.evaluation.protocol"
    )
    parser.add_argument(
        "--average",
        metavar="probabilities|logits|max",
        help="how the answers to the views become one; default: config.evaluation.average",
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the result is printed")
    written = parser.add_argument_group("more results, each in a new file")
    written.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE.csv|json|md|npz",
        help="label and five likeliest classes of every image; as npz all probabilities, to be averaged later",
    )
    written.add_argument("--per-class", type=Path, metavar="FILE.csv|json|md", help="accuracy of every class")
    written.add_argument(
        "--confusions", type=Path, metavar="FILE.csv|json|md", help="pairs of classes, the most confused first"
    )


def run(arguments: argparse.Namespace) -> int:
    """Counts every image of the split once, prints the result and writes the files asked for."""
    written = _require_new_files(arguments)
    mesh = make_mesh()
    trained = load_classifier(arguments, mesh)
    config = _config(arguments, trained)
    split = arguments.split or config.data.eval_split
    source = open_source(config.data.source, split, config.data.data_dir)
    source = relabelled(source, trained.class_names, trained.network.num_classes)
    predictions = Predictions(source) if written else None
    evaluator = Evaluator(trained.network, source, config, mesh, answers=predictions is not None)
    with EvaluationProgress(len(source), views=evaluator.views) as progress:

        def batch_done(images: int, answers: Answers | None) -> None:
            progress.update(images)
            if predictions and answers:
                predictions.add(answers)

        result = evaluator(trained.variables, on_batch_done=batch_done)
        progress.finish()
    about = {**trained.about(), "data": config.data.source, "split": split}
    row = {**about, **_protocol(config, evaluator.views), **result, **_errors(result)}
    print(_rendered(row, arguments.format), flush=True)  # before files that a full disk may refuse
    if predictions:
        _write(arguments, predictions, row)
    return 0


def _config(arguments: argparse.Namespace, trained: Trained) -> Config:
    """What the flags ask for; a weights file says nothing of where images are, so the experiment file does."""
    named = [flag for flag in arguments.config_flags if flag.partition("=")[0] == "--config"]
    chosen = {"data.source": arguments.data, "evaluation.protocol": arguments.protocol}
    chosen["evaluation.average"] = arguments.average
    changes = [flag for flag in arguments.config_flags if flag not in named]
    changes += [f"--config.{name}={value}" for name, value in chosen.items() if value is not None]
    base = trained.config
    if trained.meta is None:
        changes = [*named, *changes]
    elif named:
        base = _with_images_of(base, load_config(named))
    elif not any(change.startswith("--config.data.source=") for change in changes):
        raise ConfigError(
            f"{trained.path} does not say which images to use: "
            "add --data=folder:PATH or --data=tfds:NAME with --split, or --config=FILE"
        )
    config = load_config(changes, base=base)
    _require_only_data_changes(base, config)
    return config


def _with_images_of(base: Config, other: Config) -> Config:
    """Network and preprocessing of `base` for the images of `other`, evaluated as there."""
    images = {name: getattr(other.data, name) for name in ("source", "data_dir", "eval_split", "threads", "prefetch")}
    return dataclasses.replace(
        base,
        batch_size=other.batch_size,
        evaluation=other.evaluation,
        data=dataclasses.replace(base.data, **images),
    )


def _require_new_files(arguments: argparse.Namespace) -> list[Path]:
    """The files that are asked for, none of which is there yet."""
    tables = [path for path in (arguments.per_class, arguments.confusions) if path]
    for path in tables:
        files.require_new(path)
    if arguments.predictions:
        files.require_new(arguments.predictions, (*files.FORMATS, ".npz"))
        tables.append(arguments.predictions)
    for path in tables:
        if tables.count(path) > 1:
            raise files.OutputFileError(f"{path} is named twice; each result needs a file of its own")
    return tables


def _protocol(config: Config, views: int) -> dict[str, Any]:
    evaluation = config.evaluation
    return {"protocol": evaluation.protocol, "average": evaluation.average if views > 1 else None, "views": views}


def _errors(result: dict[str, float | int]) -> dict[str, float]:
    """Top-1 and top-5 errors as fractions, each with the ends of its 95 % interval."""
    errors = {}
    for name in ("top1", "top5"):
        images = int(result["images"])
        wrong = images - round(result[name] * images)
        low, high = wilson(wrong, images)
        errors |= {f"{name}_error": wrong / images, f"{name}_error_low": low, f"{name}_error_high": high}
    return errors


def _rendered(row: dict[str, Any], format: str) -> str:
    """All numbers in JSON and CSV; for a person each error and its interval in one cell, in per cent."""
    if format in ("json", "csv"):
        return render([row], list(row), format)
    shown = {name: value for name, value in row.items() if "_error" not in name and value is not None}
    for title, name in _ERRORS.items():
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        shown[title] = f"{100 * row[name]:.2f} ({100 * low:.2f} to {100 * high:.2f})"
    return render([shown], list(shown), format)


def _write(arguments: argparse.Namespace, predictions: Predictions, about: dict[str, Any]) -> None:
    if path := arguments.predictions:
        if path.suffix == ".npz":
            with files.new_file(path) as file:
                predictions.save(file, about)
        else:
            files.write_rows(path, predictions.rows(), predictions.columns())
    if arguments.per_class:
        files.write_rows(arguments.per_class, predictions.per_class(), ["label", "name", "images", "top1", "top5"])
    if arguments.confusions:
        columns = ["label", "predicted", "label_name", "predicted_name", "images", "share"]
        files.write_rows(arguments.confusions, predictions.confusions(), columns)


def _require_only_data_changes(trained: Config, asked: Config) -> None:
    """Raises ConfigError for a change that an evaluation would not heed."""
    changes = difference(flatten(trained), flatten(asked))
    ignored = [name for name in changes if not name.startswith("data.")]
    if ignored:
        raise ConfigError(
            f"config.{ignored[0]} was {changes[ignored[0]][0]!r} when the run was trained and cannot be changed "
            "to evaluate it; config.data.* and config.evaluation.* can"
        )
