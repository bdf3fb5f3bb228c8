"""The tables of a report, as rows of text that Markdown, CSV and HTML share."""

from __future__ import annotations

import datetime
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inception_jax.reporting.reproduction.comparison import Comparison, Line, Row
from inception_jax.reporting.reproduction.runs import Run
from inception_jax.reporting.reproduction.statistics import Estimate
from inception_jax.reporting.reproduction.verdicts import Verdict, goal_of

Rows = list[dict[str, Any]]

_MARKS = {
    "diverged": "diverged",
    "incomplete": "incomplete",
    "no metrics": "without metrics",
    "same seed": "with the seed of another",
}


def results(comparison: Comparison, links: Links) -> Rows:
    """The paper's table with what was measured; errors in per cent, differences in points."""
    return [_result(comparison, row, links) for row in comparison.rows]


class Links:
    """Links from the report to files, in Markdown or HTML by who renders them: (text, relative target)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def __call__(self, text: str, target: Path) -> Link:
        """A link to `target`."""
        return Link(text, Path(os.path.relpath(target.resolve(), self._folder)).as_posix())


class Link(str):
    """Text that leads somewhere."""

    __slots__ = ("target",)

    target: str

    def __new__(cls, text: str, target: str) -> Link:
        """`text`, as it is read, and where it leads."""
        link = super().__new__(cls, text)
        link.target = target
        return link


def _result(comparison: Comparison, row: Row, links: Links) -> dict[str, Any]:
    printed, line = row.printed, row.line
    experiment = line.experiment if line else next(iter(row.experiments), None)
    cells: dict[str, Any] = {
        "row": printed and printed.id,
        "model": printed and ", ".join(filter(None, (printed.model, printed.variant))),
        "experiment": experiment and links(experiment.label, experiment.path),
        "scale": (line.scale or "full") if line else None,
        "paper top-1": printed and percent(printed.top1_error),
        "paper top-5": printed and percent(printed.top5_error),
    }
    if line is None:
        return cells | {"notes": "not run" if row.experiments else "no experiment"}
    if not row.comparable:
        assert printed
        what = f"{printed.ensemble} networks, " * (printed.ensemble not in ("", "1")) + f"{printed.crops} crops"
        return cells | {"notes": f"printed of {what}: `inception-jax ensemble` measures it"}
    reference = comparison.reference(line)
    return cells | {
        "measured top-1": line.top1 and spread(line.top1),
        "95 % interval": line.top1 and interval(line.top1),
        "measured top-5": line.top5 and spread(line.top5),
        "seeds": ", ".join(_seed(run) for run in line.counted) or None,
        "notes": "; ".join(_notes(line)) or None,
        "measured - paper": row.gap and signed(row.gap),
        "change": "reference" if line is reference else signed(found) if (found := comparison.change(line)) else None,
        "paper's change": _printed_change(comparison, row, reference),
    }


def _printed_change(comparison: Comparison, row: Row, reference: Line | None) -> str | None:
    other = next((r.printed for r in comparison.rows if reference and r.line is reference), None)
    mine = row.printed
    if row.line is reference or not mine or not other or mine.top1_error is None or other.top1_error is None:
        return None
    return f"{mine.top1_error - other.top1_error:+.2f}"


def _notes(line: Line) -> list[str]:
    notes = [f"changed recipe: {name} {now!r} instead of {was!r}" for name, (was, now) in line.changes.items()]
    marks = [mark for marked in line.runs for mark in marked.marks]
    for word, what in _MARKS.items():
        if count := sum(mark.startswith(word) for mark in marks):
            notes.append(f"{count} of {len(line.runs)} runs {what}")
    return notes


def steps_to_accuracy(comparison: Comparison) -> tuple[str, Rows]:
    """Figure 3 of the batch norm paper: steps to the best accuracy of the reference, which the title names."""
    found: Rows = []
    titles = []
    for scale in dict.fromkeys(line.scale for line in comparison.lines):
        mine = [line for line in comparison.lines if line.scale == scale]
        reference = comparison.reference(mine[0])
        if reference is None:
            continue
        goal = goal_of(reference)
        titles.append(f"{goal:.2%}, the best that every run of {reference.label} ({scale or 'full'}) reaches")
        base = _mean_steps(reference, goal)
        for line in mine:
            if not line.counted:
                continue
            reached = [steps[1] for run in line.counted if (steps := run.steps_to(goal))]
            mean = _mean_steps(line, goal)
            found.append(
                {
                    "experiment": line.label,
                    "scale": scale or "full",
                    "steps": f"{mean:,.0f}" if mean else "never",
                    "sd": f"{statistics.stdev(reached):,.0f}" if len(reached) > 1 else None,
                    "reached by": f"{len(reached)} of {len(line.counted)}",
                    "images": f"{mean * line.counted[0].config.batch_size:,.0f}" if mean else None,
                    "times fewer": f"{base / mean:.2f}" if base and mean else None,
                    "best top-1": f"{max(top1 for run in line.counted for _, top1 in run.accuracy):.2%}",
                }
            )
    return "; ".join(titles), found


def _mean_steps(line: Line, goal: float) -> float | None:
    reached = [steps[1] for run in line.counted if (steps := run.steps_to(goal))]
    return statistics.fmean(reached) if reached else None


def runs(comparison: Comparison, links: Links) -> Rows:
    """Every run, those that do not count marked."""
    return [
        {
            "run": links(marked.run.path.name, marked.run.path / "config.json"),
            "experiment": line.label,
            "scale": line.scale or "full",
            "seed": _seed(marked.run),
            "status": "; ".join((*marked.marks, *_changed(line))) or "counts",
            "steps": f"{marked.run.last_step:,}",
            "last error": _error(marked.run, False),
            "best error": _error(marked.run, True),
            "wall time": _time(marked.run.seconds),
            "images/s": marked.run.images_per_second and f"{marked.run.images_per_second:,.1f}",
            "multiply-adds": (cost := comparison.costs.get((line.label, line.scale))) and f"{cost:,}",
            "device": marked.run.device or None,
            "notes": "; ".join(marked.notes) or None,
        }
        for line in comparison.lines
        for marked in line.runs
    ]


def _changed(line: Line) -> list[str]:
    return [f"changed recipe ({', '.join(line.changes)})"] if line.changes else []


def claims(found: Sequence[Verdict]) -> Rows:
    """One line a claim."""
    return [
        {
            "verdict": verdict.word,
            "claim": verdict.claim.says,
            "where": verdict.claim.where,
            "scale": verdict.scale or "full",
            "measured": verdict.reason,
        }
        for verdict in found
    ]


def filled(rows: Rows) -> list[str]:
    """Columns that hold anything, in order."""
    return [name for name in dict.fromkeys(n for row in rows for n in row) if any(row.get(name) for row in rows)]


def percent(error: float | None) -> str | None:
    """One decimal at least, as papers print."""
    return None if error is None else f"{error:.2f}".removesuffix("0")


def spread(found: Estimate) -> str:
    """`23.40 ± 0.21`."""
    return f"{found.mean:.2f}" + (f" ± {found.deviation:.2f}" if found.deviation is not None else "")


def interval(found: Estimate) -> str | None:
    """`22.88 to 23.92`."""
    return f"{found.low:.2f} to {found.high:.2f}" if found.known else None


def signed(found: Estimate) -> str:
    """`-0.40 (-0.71 to -0.09)`."""
    return f"{found.mean:+.2f}" + (f" ({found.low:+.2f} to {found.high:+.2f})" if found.known else "")


def _seed(run: Run) -> str:
    seed, data = run.seed
    return str(seed) if data < 0 else f"{seed}/{data}"


def _error(run: Run, best: bool) -> str | None:
    return f"{run.error(best):.2f}" if run.accuracy else None


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else str(datetime.timedelta(seconds=round(seconds)))
