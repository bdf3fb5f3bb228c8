"""`inception-jax features`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np

from inception_jax.cli.images import add_image_arguments, features_of, open_images
from inception_jax.cli.numbers import positive
from inception_jax.cli.trained import add_trained_arguments, load
from inception_jax.config import Evaluation
from inception_jax.distributed.mesh import make_mesh
from inception_jax.evaluation import feature_files
from inception_jax.evaluation.feature_files import FeatureFile
from inception_jax.evaluation.features import POOLED
from inception_jax.reporting.files import require_new


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    add_image_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz|parquet", help="the file to write")
    parser.add_argument(
        "--endpoint",
        default=POOLED,
        help=f"a layer of the network, such as mixed_6e; default: {POOLED}, the average over the last map",
    )
    parser.add_argument(
        "--spatial", action="store_true", help="keep the layer's map [height, width, channels], not its average"
    )
    parser.add_argument("--batch-size", type=positive, default=32, help="images computed together; default: 32")


def run(arguments: argparse.Namespace) -> int:
    """Writes the features of every image; images that cannot be read are named and left out, and the code is 2."""
    require_new(arguments.out, feature_files.SUFFIXES)
    source = open_images(arguments)
    mesh = make_mesh()
    trained = load(arguments, mesh)
    config = dataclasses.replace(trained.config, evaluation=Evaluation(batch_size=arguments.batch_size))
    found = features_of(source, trained, config, mesh, arguments.endpoint, spatial=arguments.spatial)
    names = np.array([source[int(position)].name for position in found.positions])
    about = {**trained.identity(), "endpoint": arguments.endpoint, "spatial": arguments.spatial}
    content = FeatureFile(found.values, names, found.labels, found.class_names, about)
    feature_files.save(arguments.out, content)
    shape = " x ".join(map(str, found.values.shape[1:]))
    classes = f", {len(found.class_names)} classes" if found.class_names else ""
    print(f"{arguments.out}: {len(names)} images{classes}, {shape} numbers each, {arguments.endpoint}")
    if unreadable := len(source) - len(names):
        print(f"inception-jax features: {unreadable} of {len(source)} images could not be read", file=sys.stderr)
    return 2 if unreadable else 0
