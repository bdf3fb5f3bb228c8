"""A report as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from inception_jax.reporting.reproduction import tables
from inception_jax.reporting.reproduction.comparison import Comparison
from inception_jax.reporting.reproduction.figures import figures, style_of
from inception_jax.reporting.reproduction.markdown import INTERVALS, notices
from inception_jax.reporting.reproduction.verdicts import Verdict

_LONG = ("notes", "model", "status")
_DASHES = {"-": "", "--": "6 4", ":": "2 3", "-.": "6 3 2 3"}


def page(comparison: Comparison, found: Sequence[Verdict], folder: Path) -> str:
    """The page; links lead from `folder` to configs and experiments."""
    links = tables.Links(folder)
    goal, reached = tables.steps_to_accuracy(comparison)
    parts = [f"<h1>{escape(comparison.table.title)}: paper and measurement</h1>"]
    parts += [f"<p>{escape(text)}</p>" for text in notices(comparison)]
    if found:
        parts += ["<h2>Claims</h2>", _claims(found)]
    parts += ["<h2>Results</h2>", f'<p class="soft">{escape(INTERVALS)}</p>']
    parts += [_table(tables.results(comparison, links), "Results")]
    parts += ["<h2>Curves</h2>", _legend(comparison), '<div class="figures">']
    for title, svg in figures(comparison).items():
        parts.append(f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>")
    parts.append("</div>")
    if reached:
        parts += ["<h2>Steps to accuracy</h2>", f"<p>{escape(f'To {goal}.')}</p>", _table(reached, "Steps to accuracy")]
    parts += ["<h2>Runs</h2>", _table(tables.runs(comparison, links), "Runs")]
    template = files("inception_jax.reporting.reproduction").joinpath("page.html").read_text()
    return Template(template).substitute(title=escape(comparison.table.title), body="\n".join(parts))


def _claims(found: Sequence[Verdict]) -> str:
    items = [
        f'<li class="{verdict.word.split()[0]}"><b>{verdict.word}</b> ({escape(verdict.scale or "full")}): '
        f"{escape(verdict.claim.says)} <span>{escape(verdict.claim.where)}</span>"
        f"<span>{escape(verdict.reason)}</span></li>"
        for verdict in found
    ]
    return f'<ul class="claims">{"".join(items)}</ul>'


def _legend(comparison: Comparison) -> str:
    items = []
    for place, line in enumerate(comparison.lines):
        number, dash = style_of(place)
        stroke = f'stroke="var(--series-{number})" stroke-width="3" stroke-dasharray="{_DASHES[dash]}"'
        items.append(
            f'<li><svg viewBox="0 0 32 10" aria-hidden="true"><path d="M0 5H32" {stroke}/></svg>'
            f"{escape(line.label)} ({escape(line.scale or 'full')})</li>"
        )
    thick = "Thin: one run; thick: the mean over seeds; dotted: a run that does not count."
    return f'<ul class="legend">{"".join(items)}</ul><p class="soft">{thick}</p>'


def _table(rows: tables.Rows, name: str) -> str:
    columns = tables.filled(rows)
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    lines = "".join("<tr>" + "".join(_cell(column, row.get(column)) for column in columns) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _cell(column: str, value: object) -> str:
    text = "" if value is None else escape(str(value))
    if isinstance(value, tables.Link):
        text = f'<a href="{escape(value.target)}">{text}</a>'
    return f"<td{' class=long' if column in _LONG and len(text) > 24 else ''}>{text}</td>"
