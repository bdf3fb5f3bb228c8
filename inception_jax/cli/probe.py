"""`inception-jax probe`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from inception_jax.cli.numbers import positive
from inception_jax.evaluation import feature_files
from inception_jax.evaluation.feature_files import FeatureFile
from inception_jax.evaluation.probe import ProbeError, accuracies, linear, nearest
from inception_jax.reporting.tables import FORMATS, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    kind = "a file of `inception-jax features`, of images in class folders"
    parser.add_argument("--train", type=Path, required=True, metavar="FILE.npz|parquet", help=kind)
    parser.add_argument("--test", type=Path, required=True, metavar="FILE.npz|parquet", help="another, to be judged by")
    parser.add_argument(
        "--method",
        choices=("linear", "knn"),
        default="linear",
        help="logistic regression on standardised features, or a vote of the nearest by cosine; default: linear",
    )
    parser.add_argument(
        "--c",
        type=_strength,
        help="linear: inverse strength of L2; default: chosen on a fifth of the training images",
    )
    parser.add_argument("--k", type=positive, default=20, help="knn: neighbours that vote; default: 20")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the result is printed")


def run(arguments: argparse.Namespace) -> int:
    """Prints top-1 and top-5 accuracy over the test images, with their 95 % intervals."""
    train, test = feature_files.load(arguments.train), feature_files.load(arguments.test)
    train_labels, test_labels, names = _labels(arguments, train, test)
    if arguments.method == "linear":
        scores, strength = linear(train.features, train_labels, test.features, arguments.c)
        chosen = {"c": strength}
    else:
        scores = nearest(train.features, train_labels, test.features, arguments.k)
        chosen = {"k": arguments.k}
    counts = {"classes": len(names), "train_images": len(train.features), "test_images": len(test.features)}
    row = {"method": arguments.method, **chosen, **counts, **accuracies(scores, test_labels)}
    if arguments.format not in ("json", "csv"):
        for name in ("top1", "top5"):
            value, low, high = (100 * row.pop(f"{name}{end}") for end in ("", "_low", "_high"))
            row[f"{name.replace('p', 'p-')} (95 %)"] = f"{value:.2f} ({low:.2f} to {high:.2f})"
    print(render([row], list(row), arguments.format))
    return 0


def _labels(
    arguments: argparse.Namespace, train: FeatureFile, test: FeatureFile
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Both files' labels in the order of the classes that have training images, -1 for others; and those classes."""
    for path, content in ((arguments.train, train), (arguments.test, test)):
        if content.labels is None:
            raise ProbeError(f"{path} has no labels: its images were not in class folders of a folder that was named")
        if content.features.ndim != 2:
            raise ProbeError(f"{path} holds spatial features; extract them without --spatial")
    assert train.labels is not None
    assert test.labels is not None
    # where the weights lay does not matter: their SHA-256, or a run's fingerprint and step, says which they are
    for name in sorted({*train.about, *test.about} - {"weights", "run"}):
        if train.about.get(name) != test.about.get(name):
            raise ProbeError(
                f"{arguments.train} and {arguments.test} are features of different things: {name} is "
                f"{train.about.get(name)!r} and {test.about.get(name)!r}"
            )
    names = [train.class_names[label] for label in np.unique(train.labels)]
    place = {name: column for column, name in enumerate(names)}
    return (
        np.array([place[train.class_names[label]] for label in train.labels]),
        np.array([place.get(test.class_names[label], -1) for label in test.labels]),
        names,
    )


def _strength(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0 < value < float("inf"):
        return value
    raise argparse.ArgumentTypeError(f"a number above 0, not {text!r}")
