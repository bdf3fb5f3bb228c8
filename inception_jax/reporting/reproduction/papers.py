"""The tables of the papers and of public code, with what they claim."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from inception_jax.errors import UserError
from inception_jax.reporting.published import Published, published

Kind = Literal[
    "lower_error",
    "not_worse",
    "fewer_steps",
    "never_reaches",
    "cheaper",
    "diverges",
    "at_chance",
    "above_chance",
    "fails",
]


class UnknownTable(UserError, ValueError):
    """There is no such table. The message has near names."""


@dataclass(frozen=True)
class Claim:
    """A comparison of experiments that a paper's sentence amounts to; `claims.yaml` says what each kind means.

    Attributes:
      says: the sentence, shortened.
      where: paper and section.
      kind: how it is decided.
      of: the experiment that is spoken of, `FAMILY/FILE.py[:ARGUMENT]`.
      than: the one that it is compared with; empty where there is none.
      target: the one whose best accuracy is to be reached; empty: `than`.
      margin: points of top-1 error that count as none.
      factor: how many times fewer steps are claimed at least.
    """

    says: str
    where: str
    kind: Kind
    of: str
    than: str = ""
    target: str = ""
    margin: float = 0.0
    factor: float = 1.0


@dataclass(frozen=True)
class PaperTable:
    """A table of one source.

    Attributes:
      name: as `inception-jax report --against` takes it.
      title: the source, in its own words.
      rows: published rows, in the order of the source; none where no numbers are printed.
      also: experiments that belong to the comparison without a row of the table.
      claims: what the source says of them.
      best: the source prints the highest accuracy of a run, not the last.
    """

    name: str
    title: str
    rows: tuple[Published, ...]
    also: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    best: bool = False


@cache
def paper_tables() -> dict[str, PaperTable]:
    """Every table, by its name: those of the results file in its order, then comparisons without printed numbers."""
    rows: dict[str, list[Published]] = {}
    for row in published().values():
        rows.setdefault(_name(row.source), []).append(row)
    extras: dict[str, dict[str, Any]] = yaml.safe_load(
        files("inception_jax.reporting.reproduction").joinpath("claims.yaml").read_text()
    )
    return {
        name: _table(name, tuple(rows.get(name, ())), extras.get(name, {})) for name in dict.fromkeys([*rows, *extras])
    }


def paper_table(name: str) -> PaperTable:
    """The table of that name.

    Raises:
      UnknownTable: naming the nearest.
    """
    tables = paper_tables()
    if name in tables:
        return tables[name]
    near = difflib.get_close_matches(name.lower(), tables, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownTable(f"there is no table {name!r}; {hint}`inception-jax report --list` has them all")


def _name(source: str) -> str:
    """`Rethinking (1512.00567) Table 3` is `rethinking-table-3`."""
    words = re.sub(r"\([^)]*\)|\bpaper\b", " ", source.lower())
    return re.sub(r"[^a-z0-9.]+", "-", words).strip("-")


def _table(name: str, rows: tuple[Published, ...], extra: dict[str, Any]) -> PaperTable:
    return PaperTable(
        name=name,
        title=extra["title"] if "title" in extra else rows[0].source,
        rows=rows,
        also=tuple(extra.get("also", ())),
        claims=tuple(Claim(**claim) for claim in extra.get("claims", ())),
        best=extra.get("best", False),
    )
