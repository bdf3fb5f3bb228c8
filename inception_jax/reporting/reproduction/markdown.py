"""A report in Markdown, and its tables as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inception_jax.reporting.reproduction import tables
from inception_jax.reporting.reproduction.comparison import Comparison
from inception_jax.reporting.reproduction.verdicts import Verdict
from inception_jax.reporting.tables import render

INTERVALS = (
    "Errors in per cent as mean ± standard deviation over seeds, differences in points; intervals are those of 95 % "
    "confidence, Student's for a mean and Welch's for a difference. A change is against the row that is called "
    "reference."
)


def notices(comparison: Comparison) -> list[str]:
    """What a reader has to know before the numbers."""
    runs = [marked.run for line in comparison.lines for marked in line.runs]
    data = sorted({run.config.data.source for run in runs})
    counted = sum(len(line.counted) for line in comparison.lines)
    texts = [
        f"{len(runs)} runs, of which {counted} count: complete, and one of each seed. Images: {', '.join(data)}."
        + (" Errors are those of a run's best validation, as the paper's are." if comparison.table.best else "")
    ]
    if any(not source.endswith("imagenet2012") for source in data):
        texts.append(
            "Not ILSVRC-2012: errors are not to be compared with the paper's, but changes from row to row may be."
        )
    if comparison.shared:
        listed = ", ".join(f"{name} {value!r}" for name, value in comparison.shared.items())
        texts.append(f"All runs change their experiments' recipes in the same way: {listed}.")
    devices = sorted({run.device for run in runs if run.device})
    if len(devices) > 1:
        texts.append(f"Rates are of different devices: {', '.join(devices)}.")
    return texts


def markdown(comparison: Comparison, found: Sequence[Verdict], folder: Path) -> str:
    """The whole report; links lead from `folder`."""
    links = tables.Links(folder)
    goal, reached = tables.steps_to_accuracy(comparison)
    parts = [f"# {comparison.table.title}: paper and measurement", *notices(comparison)]
    if found:
        parts += ["## Claims", _table(tables.claims(found))]
    parts += ["## Results", INTERVALS, _table(tables.results(comparison, links))]
    if reached:
        parts += ["## Steps to accuracy", f"To {goal}.", _table(reached)]
    parts += ["## Runs", _table(tables.runs(comparison, links))]
    parts += [f"Curves over steps and over images are in {_link(tables.Link('report.html', 'report.html'))}."]
    return "\n\n".join(parts) + "\n"


def csv(rows: tables.Rows) -> str:
    """All columns, with names in the first line."""
    return render(rows, list(rows[0]), "csv") + "\n"


def _table(rows: tables.Rows) -> str:
    shown = [{name: _link(v) if isinstance(v, tables.Link) else v for name, v in row.items()} for row in rows]
    return render(shown, tables.filled(shown), "markdown")


def _link(link: tables.Link) -> str:
    return f"[{link}]({link.target})"
