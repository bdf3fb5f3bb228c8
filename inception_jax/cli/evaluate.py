"""`inception-jax evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax

from inception_jax.cli.config_flags import add_config_argument
from inception_jax.cli.counted import config_for, count, errors, for_a_person, images_for, protocol_of
from inception_jax.cli.many_processes import add_job_arguments, join_job
from inception_jax.cli.trained import add_trained_arguments, load_classifier
from inception_jax.distributed.mesh import make_mesh
from inception_jax.evaluation.predictions import Predictions
from inception_jax.reporting import files
from inception_jax.reporting.tables import FORMATS, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    add_job_arguments(parser)
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
    join_job(arguments)
    written = _require_new_files(arguments)
    mesh = make_mesh()
    trained = load_classifier(arguments, mesh)
    chosen = {"data.source": arguments.data, "evaluation.protocol": arguments.protocol}
    config = config_for(trained, arguments.config_flags, {**chosen, "evaluation.average": arguments.average})
    split = arguments.split or config.data.eval_split
    source = images_for(trained, config, split)
    result, views, predictions = count(trained, source, config, mesh, predictions=bool(written))
    if jax.process_index():
        return 0  # the first process prints and writes
    about = {**trained.about(), "data": config.data.source, "split": split, **protocol_of(config, views)}
    images = int(result["images"])
    right = {name: round(result[name] * images) for name in ("top1", "top5")}
    row = {**about, **result, **errors(images, **right)}
    print(_rendered(row, arguments.format), flush=True)  # before files that a full disk may refuse
    if predictions:
        _write(arguments, predictions, row)
    return 0


def _require_new_files(arguments: argparse.Namespace) -> list[Path]:
    """The files that are asked for, none of which is there yet."""
    if jax.process_index():  # the first process may have written them before this one looks
        return [path for path in (arguments.per_class, arguments.confusions, arguments.predictions) if path]
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


def _rendered(row: dict[str, Any], format: str) -> str:
    """All numbers in JSON and CSV."""
    shown = row if format in ("json", "csv") else for_a_person(row)
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
