"""A table of validations that grows: one row a weights file and protocol, as CSV to go on from and Markdown to show."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inception_jax.new_file import OutputFileError, new_file
from inception_jax.reporting.tables import render

SHARES = ("top1", "top5")
COLUMNS = (
    *("weights", "network", "variant", "source", "protocol", "average", "size", "data", "split", "images"),
    *(f"{share}{end}" for share in SHARES for end in ("", "_low", "_high", "_published", "_difference")),
    *("error", "key"),
)
_SHOWN = ("weights", "network", "protocol", "size", "images")


class Validations:
    """The rows of `path`, a CSV file, and of a Markdown file beside it.

    Args:
      path: ends in `.csv`; is made if it is missing.

    Raises:
      OutputFileError: `path` is there and is no table of this kind.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.markdown = path, path.with_suffix(".md")
        self._rows: list[dict[str, Any]] = []
        if path.suffix != ".csv":
            raise OutputFileError(f"{path}: the name must end in .csv")
        if not path.exists():
            if self.markdown.exists():
                raise OutputFileError(f"{self.markdown} is there already, without {path.name}; name another file")
            return
        try:
            reader = csv.DictReader(io.StringIO(path.read_bytes().decode()))
            self._rows = list(reader)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise OutputFileError(f"{path} cannot be read: {error}") from error
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise OutputFileError(f"{path} is no table of validations, and is not overwritten; name another file")

    def computed(self, key: str) -> bool:
        """Whether the row of `key` is there, with a result rather than an error."""
        return any(row["key"] == key and not row["error"] for row in self._rows)

    def put(self, row: Mapping[str, Any]) -> None:
        """Adds a row, in the place of one of the same weights, protocol and images, and writes both files.

        Raises:
          OutputFileError: the file system refuses.
        """
        text = next(csv.DictReader(io.StringIO(render([row], COLUMNS, "csv"))))
        same = ("weights", "protocol", "average", "data", "split")
        kept = [other for other in self._rows if any(other[name] != text[name] for name in same)]
        self._rows = sorted([*kept, text], key=lambda other: [other[name] for name in same])
        with new_file(self.path, replace=True) as file:
            file.write(render(self._rows, COLUMNS, "csv").encode() + b"\n")
        with new_file(self.markdown, replace=True) as file:
            file.write(self.render("markdown").encode() + b"\n")

    def render(self, format: str) -> str:
        """All rows, for a person in Markdown or as a table."""
        if format not in ("table", "markdown"):
            return render(self._rows, COLUMNS, format)
        shown = [_for_a_person(row) for row in self._rows]
        return render(shown, list(dict.fromkeys(name for row in shown for name in row)) or _SHOWN, format)


def _for_a_person(row: Mapping[str, str]) -> dict[str, Any]:
    """Shares in per cent with their interval; published values and differences in points."""
    shown: dict[str, Any] = {name: int(v) if (v := row[name]).isdecimal() else v or None for name in _SHOWN}
    for share, title in zip(SHARES, ("top-1", "top-5"), strict=True):
        found, low, high, published, difference = (
            row[f"{share}{end}"] for end in ("", "_low", "_high", "_published", "_difference")
        )
        interval = f"{float(found):.2f} ({float(low):.2f} to {float(high):.2f})" if found else None
        shown |= {
            f"{title} % (95 %)": interval,
            f"published {title}": f"{float(published):.2f}" if published else None,
            f"{title} difference": f"{float(difference):+.2f}" if difference else None,
        }
    return shown | ({"error": row["error"]} if row["error"] else {})
