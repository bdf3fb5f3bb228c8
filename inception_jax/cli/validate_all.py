"""`inception-jax validate-all`."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

import inception_jax
from inception_jax.cli.config_flags import add_config_argument, load_config
from inception_jax.cli.counted import config_for, count, errors, images_for, protocol_of
from inception_jax.config import Config, defaults, resolve
from inception_jax.data.sources import open_source
from inception_jax.distributed.mesh import make_mesh
from inception_jax.errors import UserError
from inception_jax.reporting.tables import FORMATS
from inception_jax.reporting.validations import SHARES, Validations
from inception_jax.training.trained import load_weights
from inception_jax.weights.checkpoint import SUFFIX, sha256_of, sidecar_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("folder", type=Path, metavar="WEIGHTS_DIR", help=f"every {SUFFIX} file in it is evaluated")
    parser.add_argument("--data", metavar="tfds:NAME|folder:PATH", help="the images; default: config.data.source")
    parser.add_argument("--split", help="the split, or a slice of one: test[:50%%]; default: config.data.eval_split")
    parser.add_argument("--protocol", metavar="single|10|12|144", help="views of each image; default: single")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.csv",
        help="results, with FILE.md beside it; rows that are there already are not computed again; "
        "default: WEIGHTS_DIR/validations.csv",
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the results are printed")
    add_config_argument(parser, "where images come from")


def run(arguments: argparse.Namespace) -> int:
    """Evaluates what has no row yet, writes the table after every file and prints it; 2 if a file failed."""
    paths = _weights_of(arguments.folder)
    table = Validations(arguments.out or arguments.folder / "validations.csv")
    chosen = {"data.source": arguments.data, "evaluation.protocol": arguments.protocol}
    changes = [f"--config.{name}={value}" for name, value in chosen.items() if value is not None]
    flags = [*arguments.config_flags, *changes]
    asked = load_config(flags, base=resolve(defaults()))
    split = arguments.split or asked.data.eval_split
    images = open_source(asked.data.source, split, asked.data.data_dir)  # said before the work rather than after it
    about = {"data": asked.data.source, "split": split, "protocol": asked.evaluation.protocol}
    same = [inception_jax.__version__, flags, split, len(images), images.class_names]
    mesh, failed = make_mesh(), 0
    for number, path in enumerate(paths, start=1):
        name = str(path.relative_to(arguments.folder))
        place = f"{name} ({number} of {len(paths)})"
        try:
            key = _key(path, same)
            if table.computed(key):
                print(f"{place}: is there already", file=sys.stderr)
                continue
            print(place, file=sys.stderr)
            row = _validated(path, split, arguments.config_flags, chosen, mesh) | {"key": key}
        except Exception as error:  # whatever one file does, the others are evaluated
            text = " ".join(str(error).split()) or "no message"
            row = {"error": text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"}
            print(f"inception-jax validate-all: {name}: {row['error']}", file=sys.stderr)
            failed += 1
        table.put({"weights": name, **about, **row})
    print(table.render(arguments.format))
    print(f"{table.path}, {table.markdown}", file=sys.stderr)
    return 2 if failed else 0


def _weights_of(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob(f"*{SUFFIX}") if not path.name.startswith("."))
    if not found:
        raise UserError(f"{folder} holds no {SUFFIX} file; `inception-jax convert` and `export` write them")
    return found


def _key(path: Path, same: list[Any]) -> str:
    """What decides a row: the weights, what their sidecar says, the images and what is asked of them."""
    facts = [*(sha256_of(file) for file in (path, sidecar_of(path)) if file.is_file()), *same]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _validated(path: Path, split: str, flags: list[str], chosen: dict[str, str | None], mesh: Mesh) -> dict[str, Any]:
    """One row: shares in per cent."""
    trained = load_weights(path, mesh)
    if not trained.network.num_classes:
        raise UserError("it is a feature extractor without a classifier")
    config = config_for(trained, flags, chosen)
    counted = count(trained, images_for(trained, config, split), config, mesh, predictions=False)
    assert trained.meta
    meta, images = trained.meta, int(counted.result["images"])
    row = {"network": meta.network, "variant": meta.variant, "source": meta.source, "size": config.data.image_size}
    row |= {"images": images, **protocol_of(config, counted.views)}
    right = {share: round(counted.result[share] * images) for share in SHARES}
    wrong = errors(images, **right)
    published = dict(zip(SHARES, meta.accuracy, strict=False)) if _comparable(config) else {}
    for share in SHARES:
        found = 100 * right[share] / images
        row |= {share: found, f"{share}_low": 100 * (1 - wrong[f"{share}_error_high"])}
        row |= {f"{share}_high": 100 * (1 - wrong[f"{share}_error_low"])}
        if share in published:
            row |= {f"{share}_published": published[share], f"{share}_difference": found - published[share]}
    return row


def _comparable(config: Config) -> bool:
    """Whether the source's own number, of one crop, is one of the same protocol."""
    return config.evaluation.protocol == "single"
