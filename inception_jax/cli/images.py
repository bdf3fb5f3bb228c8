"""The images that a command computes features of, and how it does so."""

from __future__ import annotations

import argparse
from typing import Any

from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.data.files import find_images, source_of
from inception_jax.data.records import Source
from inception_jax.data.sources import open_source
from inception_jax.errors import UserError
from inception_jax.evaluation.features import Features, extract
from inception_jax.reporting.progress import EvaluationProgress
from inception_jax.training.trained import Trained


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """`IMAGE...`, or `--data` with `--split`."""
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="files, folders, or patterns in quotes such as 'photos/*.jpg'"
    )
    parser.add_argument("--data", metavar="tfds:NAME|folder:PATH|digits", help="in place of files, a data set")
    parser.add_argument("--split", default="train", help="its split, or a slice of one; default: train")


def open_images(arguments: argparse.Namespace) -> Source:
    """The images that the flags name; files have labels if each is in a class folder of a folder that was named.

    Raises:
      UserError: neither or both of the two are named.
      DataError: they are not there.
    """
    if bool(arguments.images) == bool(arguments.data):
        raise UserError("name either image files and folders, or a data set with --data")
    if arguments.data:
        return open_source(arguments.data, arguments.split)
    return source_of(find_images(arguments.images))


def features_of(source: Source, trained: Trained, config: Config, mesh: Mesh, endpoint: str, **how: Any) -> Features:
    """`evaluation.features.extract`, with progress."""
    with EvaluationProgress(len(source)) as progress:
        found = extract(
            trained.network,
            trained.variables,
            source,
            config,
            mesh,
            endpoint=endpoint,
            on_batch_done=progress.update,
            **how,
        )
        progress.finish()
    return found
