"""`inception-jax explain`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from inception_jax.cli.config_flags import add_config_argument, load_config, load_sources
from inception_jax.config import flatten
from inception_jax.reporting.tables import FORMATS, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed")
    parser.add_argument(
        "--all", action="store_true", help="list fields at the schema's default too, which no recipe speaks of"
    )
    parser.add_argument(
        "--against", metavar="FILE[:ARGUMENT]", help="list only what differs from this experiment, beside its values"
    )
    add_config_argument(parser, "the experiment, a Python file with get_config()")


def run(arguments: argparse.Namespace) -> int:
    """Prints one line a field: its value, and the paper, code or choice that it comes from."""
    config, sources = load_sources(arguments.config_flags)
    other = flatten(load_config([f"--config={arguments.against}"])) if arguments.against else None
    shown = (lambda value: value) if arguments.format == "json" else _text
    rows = []
    for name, value in flatten(config).items():
        row: dict[str, Any] = {"field": name, "value": shown(value)}
        if other is not None:
            if value == other.get(name):
                continue
            row["against"] = shown(other.get(name))
        elif sources[name].kind == "default" and not arguments.all:
            continue
        rows.append(row | {"source": sources[name].kind, "where": sources[name].where or None})
    columns = ["field", "value", "source", "where"]
    if other is not None:
        columns.insert(2, "against")
    print(render(rows, columns, arguments.format))
    return 0


def _text(value: Any) -> str | None:
    """As it is written in a config: 0.0075 rather than four digits, and text without quotes."""
    return value if value is None or isinstance(value, str) else json.dumps(value)
