"""`inception-jax fid`."""

from __future__ import annotations

import argparse
import dataclasses
import warnings

from jax.sharding import Mesh

from inception_jax.cli.images import features_of
from inception_jax.cli.numbers import positive
from inception_jax.cli.trained import add_trained_arguments, load
from inception_jax.config import Config, Evaluation
from inception_jax.data.files import find_images, source_of
from inception_jax.data.records import Source
from inception_jax.distributed.mesh import make_mesh
from inception_jax.errors import UserError
from inception_jax.evaluation.features import POOLED
from inception_jax.evaluation.frechet import Gaussian, distance, fit
from inception_jax.reporting.tables import FORMATS, render
from inception_jax.training.trained import Trained

_ENOUGH = 10_000
_COMPARABLE = (
    "Comparable only with distances of the same weights, endpoint and preprocessing. Published FIDs use TensorFlow's "
    "graph of 2015-12-05; torchvision's, TF-slim's and Keras's Inception-v3 are other models and give other numbers."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    parser.add_argument("folders", nargs=2, metavar="FOLDER", help="two folders of images, or patterns in quotes")
    parser.add_argument(
        "--endpoint",
        default=POOLED,
        help=f"a layer of the network, averaged over its map; default: {POOLED}, the average over the last one",
    )
    parser.add_argument("--batch-size", type=positive, default=32, help="images computed together; default: 32")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the result is printed")


def run(arguments: argparse.Namespace) -> int:
    """Prints the distance, and of which network it is."""
    sources = [source_of(find_images([folder])) for folder in arguments.folders]
    mesh = make_mesh()
    trained = load(arguments, mesh)
    config = _whole_images(trained.config, arguments.batch_size)
    gaussians = []
    for folder, source in zip(arguments.folders, sources, strict=True):
        gaussians.append(_fit(folder, source, trained, config, mesh, arguments.endpoint))
    first, second = gaussians
    fewest, channels = min(first.images, second.images), len(first.mean)
    if fewest <= channels:
        warnings.warn(
            f"{fewest} images span no covariance of {channels} numbers: the distance is dominated by how few they are",
            stacklevel=1,
        )
    elif fewest < _ENOUGH:
        warnings.warn(
            f"{fewest} images are few: the distance is biased upwards, and comparable only at equal numbers "
            f"(its authors recommend {_ENOUGH:,} or more)",
            stacklevel=1,
        )
    identity = trained.identity()
    row = {
        "fid": distance(first, second),
        "images_1": first.images,
        "images_2": second.images,
        "endpoint": arguments.endpoint,
        "dimensions": channels,
        **{name: value for name, value in identity.items() if name != "preprocessing"},
        "preprocessing": f"whole image to {config.data.image_size} pixels, Pillow's bilinear filter",
    }
    if arguments.format in ("json", "csv"):
        print(render([row], list(row), arguments.format))
    else:
        rows = [{"": name, "value": value} for name, value in row.items()]
        print(f"{render(rows, ['', 'value'], arguments.format)}\n\n{_COMPARABLE}")
    return 0


def _whole_images(config: Config, batch_size: int) -> Config:
    """Not the weights' own crop: a generator's images are judged to their edges, as everywhere FID is computed."""
    data = dataclasses.replace(config.data, eval_resize="facenet")
    return dataclasses.replace(config, data=data, evaluation=Evaluation(batch_size=batch_size))


def _fit(folder: str, source: Source, trained: Trained, config: Config, mesh: Mesh, endpoint: str) -> Gaussian:
    found = features_of(source, trained, config, mesh, endpoint)
    if len(found.values) < len(source):
        raise UserError(f"{folder}: {len(source) - len(found.values)} images cannot be read; mend or remove them")
    if len(found.values) < 2:
        raise UserError(f"{folder} holds one image; a covariance needs two at least")
    return fit(found.values)
