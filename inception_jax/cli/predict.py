"""`inception-jax predict`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inception_jax.cli.trained import add_trained_arguments, load
from inception_jax.config import Config
from inception_jax.data.crops import TooLong
from inception_jax.data.decode import DecodeError, decode
from inception_jax.data.eval_resize import evaluation_image
from inception_jax.data.folder import SUFFIXES
from inception_jax.data.photometric import normalise
from inception_jax.data.records import DataError
from inception_jax.distributed.mesh import make_mesh
from inception_jax.reporting.tables import FORMATS, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_trained_arguments(parser)
    parser.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--top", type=_positive, default=5, help="classes listed for each image; default: 5")
    parser.add_argument("--batch-size", type=_positive, default=32, help="images computed together; default: 32")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the result is printed")


def run(arguments: argparse.Namespace) -> int:
    """Prints the likeliest classes of every image; images that cannot be read are named, and the code is 2."""
    paths = [path for given in arguments.images for path in _image_files(given)]
    trained = load(arguments, make_mesh(jax.devices()[:1]))
    data = trained.config.data

    @jax.jit
    def probabilities(images: jax.Array) -> jax.Array:
        output: Any = trained.network.apply(trained.variables, normalise(images, data.mean, data.std))
        return jax.nn.softmax(output.logits)

    rows, unreadable = [], 0
    size = data.image_size
    for start in range(0, len(paths), arguments.batch_size):
        read: list[Path] = []
        pixels: list[np.ndarray] = []
        for path in paths[start : start + arguments.batch_size]:
            try:
                pixels.append(read_image(path, trained.config))
                read.append(path)
            except (DecodeError, TooLong) as error:
                print(f"inception-jax predict: {path}: {error}", file=sys.stderr)
                unreadable += 1
        if not pixels:
            continue
        padded = np.zeros((min(arguments.batch_size, len(paths)), size, size, 3), np.uint8)
        padded[: len(pixels)] = pixels
        for path, row in zip(read, np.asarray(probabilities(jnp.asarray(padded))), strict=False):
            for rank, label in enumerate(np.argsort(-row, kind="stable")[: arguments.top]):
                rows.append(
                    {
                        "image": str(path),
                        "rank": rank + 1,
                        "class": trained.class_names[label],
                        "probability": float(row[label]),
                    }
                )
    print(render(rows, ["image", "rank", "class", "probability"], arguments.format))
    return 2 if unreadable else 0


def read_image(path: Path, config: Config) -> np.ndarray:
    """The image as the run's evaluation sees it, uint8 [size, size, 3].

    Raises:
      DecodeError: not a readable image.
      TooLong: so narrow an image that resizing it would fill the memory.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror}") from error
    return evaluation_image(decode(data), config.data)


def _image_files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise DataError(f"{path} holds no image ({', '.join(sorted(SUFFIXES))})")
    yield from found


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"a number above 0, not {text!r}")
