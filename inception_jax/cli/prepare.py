"""`inception-jax prepare`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inception_jax.data.prepare import DATASETS, base_name, build, find_archives, verify
from inception_jax.data.tfds import directory
from inception_jax.reporting.tables import render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("dataset", help=f"{', '.join(DATASETS)}, or a configuration: imagenet_v2/matched-frequency")
    parser.add_argument(
        "--manual-dir",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar lie; files that TFDS would download, too",
    )
    parser.add_argument(
        "--data-dir", default="", metavar="FOLDER", help="where data sets go; default: TFDS_DATA_DIR, then TFDS's own"
    )


def run(arguments: argparse.Namespace) -> int:
    """Builds the data set, or finds it there, then counts its images and compares a sample with the archives."""
    name, data_dir = arguments.dataset, arguments.data_dir
    base_name(name)
    archives = find_archives(name, arguments.manual_dir.expanduser())
    for archive in archives:
        classes = "" if archive.classes is None else f" of {archive.classes:,} classes"
        _say(f"{archive.path}: {archive.images:,} images{classes}")
    builder = build(name, arguments.manual_dir.expanduser(), data_dir, archives)
    _say(f"checking {builder.data_path}")
    rows = [split._asdict() for split in verify(name, data_dir, builder, archives)]
    print(render([{**row, "compared": row["compared"] or None} for row in rows], ["split", "images", "compared"]))
    split = rows[-1]["split"]
    print(f"\nuse it: --config.data.source=tfds:{name} --config.data.data_dir={directory(data_dir)} ({split}, ...)")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
