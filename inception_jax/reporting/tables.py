"""One set of rows as a table for a person, or as JSON, CSV or Markdown for what comes next."""

import csv
import io
import json
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inception_jax.reporting.values import plain

FORMATS = ("table", "json", "csv", "markdown")


def render(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], format: str = "table") -> str:
    """The rows' `columns`, in that order, without a final newline.

    "json" and "csv" keep values exactly, NaN and infinities as null or empty; "table" and "markdown" shorten floats to
    four significant digits. A column that a row lacks, or None, is null or empty. A caller that wants a number
    written in its own way passes it as text.

    Raises:
      ValueError: for a format that is not one of `FORMATS`.
    """
    cells = [[plain(row.get(name)) for name in columns] for row in rows]
    match format:
        case "json":
            return json.dumps([dict(zip(columns, line, strict=True)) for line in cells], indent=2, ensure_ascii=False)
        case "csv":
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows([columns, *cells])
            return out.getvalue().removesuffix("\n")
        case "table":
            return _table(cells, columns)
        case "markdown":
            return _markdown(cells, columns)
    raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")


def _table(cells: list[list[Any]], columns: Sequence[str]) -> str:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, right in zip(columns, _numeric(cells, columns), strict=True):
        table.add_column(Text(name), justify="right" if right else "left", no_wrap=True)
    for line in cells:
        table.add_row(*(Text(_text(cell)) for cell in line))  # Text, or rich reads markup into a "[name]"
    # As wide as the content asks: what reads a pipe wants no wrapping, and a terminal wraps by itself.
    console = Console(file=io.StringIO(), color_system=None, force_terminal=False)
    console.width = max(1, console.measure(table, options=console.options.update(width=10**6)).maximum)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))


def _markdown(cells: list[list[Any]], columns: Sequence[str]) -> str:
    rules = ["--:" if right else ":--" for right in _numeric(cells, columns)]
    lines = [columns, rules, *([_text(cell) for cell in line] for line in cells)]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def _numeric(cells: list[list[Any]], columns: Sequence[str]) -> list[bool]:
    """Which columns hold only numbers, and so are aligned on the right."""
    held = [[line[i] for line in cells if line[i] is not None] for i in range(len(columns))]
    return [bool(column) and all(isinstance(cell, numbers.Number) for cell in column) for column in held]


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            # Beyond four digits, whole units: 23,834,568 rather than 2.383e+07.
            return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"
    return str(value)
