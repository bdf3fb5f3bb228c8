"""`inception-jax models`."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields

from rich.console import Console
from rich.progress import track

from inception_jax import models
from inception_jax.errors import UserError
from inception_jax.models.catalogue import Entry, entry, pairs
from inception_jax.reporting.tables import FORMATS, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"{', '.join(models.names())}; default: all")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed")


def run(arguments: argparse.Namespace) -> int:
    """Prints one line a variant; counting takes about a second for each, so a terminal sees progress."""
    try:
        wanted = pairs(arguments.networks)
    except ValueError as error:
        raise UserError(str(error)) from error
    console = Console(stderr=True)
    shown = track(wanted, "counting", console=console, transient=True, disable=not console.is_terminal)
    rows = [asdict(entry(*pair)) for pair in shown]
    print(render(rows, [field.name for field in fields(Entry)], arguments.format))
    return 0
