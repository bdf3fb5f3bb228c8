"""A paper's table with the runs of each row: which count, and what they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from inception_jax.reporting.published import Published, published
from inception_jax.reporting.reproduction.papers import PaperTable
from inception_jax.reporting.reproduction.recipes import Experiment, Match, changes_of, match, shared_changes
from inception_jax.reporting.reproduction.runs import Run, RunError
from inception_jax.reporting.reproduction.statistics import Estimate, difference, estimate


@dataclass(frozen=True)
class Marked:
    """A run of a line, with why it does not count; `marks` is empty where it does."""

    run: Run
    marks: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """Runs of one recipe at one scale.

    Attributes:
      experiment: the file.
      scale: the argument behind it, such as `mini`; empty: as it is.
      changes: how the runs differ from it: {field: (experiment, run)}.
      runs: all of them, those that do not count marked.
      best: whether the best validation of a run is taken rather than its last.
    """

    experiment: Experiment
    scale: str
    changes: Mapping[str, tuple[Any, Any]]
    runs: tuple[Marked, ...]
    best: bool

    @property
    def label(self) -> str:
        """Short, for a legend."""
        return self.experiment.label + (f" [{', '.join(self.changes)} changed]" if self.changes else "")

    @cached_property
    def counted(self) -> tuple[Run, ...]:
        """Complete runs, one a seed."""
        return tuple(marked.run for marked in self.runs if not marked.marks)

    @property
    def errors(self) -> list[float]:
        """Top-1 error of each run that counts, in per cent."""
        return [run.error(self.best) for run in self.counted]

    @property
    def top1(self) -> Estimate | None:
        """Error in per cent."""
        return estimate(self.errors) if self.counted else None

    @property
    def top5(self) -> Estimate | None:
        """Error in per cent."""
        return estimate([run.error(self.best, "top5") for run in self.counted]) if self.counted else None


@dataclass(frozen=True)
class Row:
    """A row of the table: what is printed, and the line that measures it, if there is one."""

    printed: Published | None
    experiments: tuple[Experiment, ...]
    line: Line | None

    @property
    def comparable(self) -> bool:
        """Whether a validation while training, which sees one crop, measures what the row prints."""
        return self.printed is None or (self.printed.crops in ("", "1") and self.printed.ensemble in ("", "1"))

    @property
    def gap(self) -> Estimate | None:
        """Measured minus printed top-1 error, in points, where the images are those of the paper."""
        line, printed = self.line, self.printed
        if line is None or printed is None or printed.top1_error is None or not line.counted or not self.comparable:
            return None
        if any(not run.config.data.source.endswith("imagenet2012") for run in line.counted):
            return None
        found = estimate([error - printed.top1_error for error in line.errors])
        return found


@dataclass(frozen=True)
class Comparison:
    """All that a report says, before it is written.

    Attributes:
      table: the paper's.
      rows: of the table, with those experiments behind them that have no row there.
      lines: recipes that were run, in the order of the rows.
      shared: what all runs changed in the same way: {field: value}.
      costs: multiply-adds of one image, by line label and scale.
    """

    table: PaperTable
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    shared: Mapping[str, Any]
    costs: Mapping[tuple[str, str], int]

    def line(self, experiment: str, scale: str) -> Line | None:
        """The runs of an unchanged recipe."""
        return next(
            (x for x in self.lines if (x.experiment.name, x.scale, len(x.changes)) == (experiment, scale, 0)), None
        )

    @property
    def scales(self) -> list[str]:
        """Those of unchanged recipes."""
        return list(dict.fromkeys(line.scale for line in self.lines if not line.changes))

    def reference(self, line: Line) -> Line | None:
        """The first line of the same scale that has a run that counts, with which the others are compared."""
        return next((x for x in self.lines if x.scale == line.scale and not x.changes and x.counted), None)

    def change(self, line: Line) -> Estimate | None:
        """Points of top-1 error against the reference; None for the reference itself."""
        reference = self.reference(line)
        if reference is None or reference is line or not line.counted:
            return None
        return difference(line.errors, reference.errors)


def compare(
    table: PaperTable, runs: Sequence[Run], experiments: Sequence[Experiment], costs: Mapping[Path, int] | None = None
) -> Comparison:
    """Finds the row of every run.

    Args:
      table: the paper's.
      runs: all of them appear in the result.
      experiments: every experiment of the project; those of other tables are left out.
      costs: multiply-adds of one image.

    Raises:
      RunError: no experiment measures a row of the table, or a run is of another network.
    """
    ids = {row.id for row in table.rows}
    wanted = [experiment for experiment in experiments if ids & set(experiment.rows) or experiment.name in table.also]
    if not wanted:
        raise RunError(f"no experiment measures a row of {table.name}; `inception-jax report --list` says which do")
    matches = [match(run, wanted, table.name) for run in runs]
    shared = shared_changes(matches)
    lines = _lines(table, wanted, matches, shared)
    rows = []
    for printed in table.rows:
        mine = tuple(experiment for experiment in wanted if printed.id in experiment.rows)
        rows += [Row(printed, mine, line) for line in lines if line.experiment in mine] or [Row(printed, mine, None)]
    for name in table.also:
        mine = tuple(experiment for experiment in wanted if experiment.name == name)
        printed = next((published()[row] for experiment in mine for row in experiment.rows), None)
        rows += [Row(printed, mine, line) for line in lines if line.experiment in mine] or [Row(printed, mine, None)]
    known = {
        (line.label, line.scale): costs[marked.run.path]
        for line in lines
        for marked in line.runs[:1]
        if costs and marked.run.path in costs
    }
    return Comparison(table, tuple(rows), tuple(lines), shared, known)


def _lines(
    table: PaperTable, experiments: Sequence[Experiment], matches: Sequence[Match], shared: Mapping[str, Any]
) -> list[Line]:
    groups: dict[tuple[Any, ...], list[Match]] = {}
    for found in matches:
        changes = changes_of(found, shared)
        # By what the runs are, not only by which fields differ.
        key = (_place(found.experiment, table, experiments), found.scale, len(changes), repr(sorted(changes.items())))
        groups.setdefault(key, []).append(found)
    return [
        Line(
            experiment=group[0].experiment,
            scale=group[0].scale,
            changes=changes_of(group[0], shared),
            runs=_marked([found.run for found in group]),
            best=table.best,
        )
        for _, group in sorted(groups.items(), key=lambda item: item[0])
    ]


def _place(experiment: Experiment, table: PaperTable, experiments: Sequence[Experiment]) -> tuple[int, int]:
    ids = [row.id for row in table.rows]
    places = [ids.index(row) for row in experiment.rows if row in ids]
    own = table.also.index(experiment.name) if experiment.name in table.also else 0
    return min(places, default=len(ids) + own), experiments.index(experiment)


def _marked(runs: Sequence[Run]) -> tuple[Marked, ...]:
    """Complete runs first, so that of two with one seed the complete one counts."""
    seen: dict[tuple[int, int], Run] = {}
    found = []
    for run in sorted(runs, key=lambda run: (run.status != "complete", run.seed, str(run.path))):
        marks = []
        if run.status == "diverged":
            marks.append(f"diverged at step {run.diverged_at:,}")
        elif run.status == "no metrics":
            marks.append("no metrics yet")
        elif run.status == "incomplete":
            marks.append(f"incomplete: {run.last_step:,} of {run.total_steps or 0:,} steps")
        elif run.seed in seen:
            marks.append(f"same seed as {seen[run.seed].path.name}")
        seen.setdefault(run.seed, run)
        notes = ["the last line of metrics.jsonl was cut off"] if run.cut else []
        if run.status == "complete" and run.total_steps is None:
            notes.append("its length is unknown; taken for complete as it ends with a validation")
        found.append(Marked(run, tuple(marks), tuple(notes)))
    return tuple(sorted(found, key=lambda marked: (marked.run.seed, str(marked.run.path))))
