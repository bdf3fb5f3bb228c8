"""`inception-jax predict`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import numpy as np

from inception_jax.cli.numbers import positive
from inception_jax.cli.trained import add_trained_arguments, load_classifier
from inception_jax.config import Evaluation
from inception_jax.data.files import find_images, source_of
from inception_jax.distributed.mesh import make_mesh
from inception_jax.evaluation.evaluator import Answers, Evaluator
from inception_jax.reporting.progress import EvaluationProgress
from inception_jax.reporting.tables import FORMATS, render
from inception_jax.training.trained import Trained

_COLUMNS = ["image", "rank", "class", "probability"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="files, folders, or patterns in quotes such as 'photos/*.jpg'"
    )
    parser.add_argument("--top", type=positive, default=5, help="classes listed for each image; default: 5")
    parser.add_argument(
        "--crops",
        choices=("1", "10", "12", "144"),
        default="1",
        help="views of each image, whose probabilities are averaged; default: 1, the weights' own preprocessing",
    )
    parser.add_argument("--batch-size", type=positive, default=32, help="views computed together; default: 32")
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument("--format", choices=FORMATS, default="table", help="how the result is printed")
    printed.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format=json")


def run(arguments: argparse.Namespace) -> int:
    """Prints the likeliest classes of every image; images that cannot be read are named, and the code is 2."""
    found = find_images(arguments.images)
    mesh = make_mesh()
    trained = load_classifier(arguments, mesh)
    classes = trained.network.num_classes
    source = source_of(found, tuple(trained.name_of(label) for label in range(classes)))
    protocol = "single" if arguments.crops == "1" else arguments.crops
    views = len(found) * (1 if protocol == "single" else 12)  # no more padding than these need
    evaluation = Evaluation(protocol=protocol, batch_size=min(arguments.batch_size, views))
    config = dataclasses.replace(trained.config, evaluation=evaluation)
    evaluator = Evaluator(trained.network, source, config, mesh, answers=True)
    rows: list[dict[str, Any]] = []
    unreadable = 0
    with EvaluationProgress(len(source), views=evaluator.views) as progress:

        def batch_done(images: int, answers: Answers | None) -> None:
            nonlocal unreadable
            progress.update(images)
            assert answers
            for position, label, own in zip(answers.positions, answers.labels, answers.probabilities, strict=True):
                if label < 0:
                    unreadable += 1
                else:
                    rows.extend(_rows(str(found[position].path), own, arguments.top, trained))

        evaluator(trained.variables, on_batch_done=batch_done)
        progress.finish()
    print(render(rows, _COLUMNS, arguments.format))
    if unreadable:
        print(f"inception-jax predict: {unreadable} of {len(found)} images could not be read", file=sys.stderr)
    return 2 if unreadable else 0


def _rows(image: str, probabilities: np.ndarray, top: int, trained: Trained) -> list[dict[str, Any]]:
    likeliest = np.argsort(-probabilities, kind="stable")[:top].tolist()
    return [
        {"image": image, "rank": place, "class": trained.name_of(label), "probability": float(probabilities[label])}
        for place, label in enumerate(likeliest, 1)
    ]
