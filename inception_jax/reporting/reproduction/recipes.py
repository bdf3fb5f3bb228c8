"""Which experiment a run is: the one whose recipe, at some scale, differs least from its config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from inception_jax.config import Config, difference, flatten
from inception_jax.reporting.reproduction.runs import Run, RunError

_SEEDS = ("seed", "data.seed")


@dataclass(frozen=True)
class Experiment:
    """A row of a table as a file.

    Attributes:
      name: `FAMILY/FILE.py[:ARGUMENT]`.
      path: of the file.
      title: the first words of its docstring.
      rows: ids of the published rows that it stands for.
      config: what its `get_config` makes of an argument such as `mini` or `batch=256`, beside its own.
    """

    name: str
    path: Path
    title: str
    rows: tuple[str, ...]
    config: Callable[[str], Config]

    @property
    def label(self) -> str:
        """Short, for a legend: `bn_x5`, `low_resolution:side=79`."""
        file, colon, argument = self.name.rpartition("/")[2].partition(":")
        return file.removesuffix(".py") + colon + argument


@dataclass(frozen=True)
class Match:
    """A run with what it is.

    Attributes:
      run: the run.
      experiment: the nearest.
      scale: the argument at which it is nearest, such as `mini,epochs=6`; empty: the experiment as it is.
      changes: fields of the run that differ all the same: {field: (experiment, run)}.
    """

    run: Run
    experiment: Experiment
    scale: str
    changes: Mapping[str, tuple[Any, Any]]


def match(run: Run, experiments: Sequence[Experiment], table: str) -> Match:
    """The experiment of a table whose recipe is nearest to a run's.

    Raises:
      RunError: the run is of a network that no experiment of the table trains.
    """
    found = [m for experiment in experiments for m in _matches(run, experiment)]
    known = list(dict.fromkeys(m.experiment.config("").model.name for m in found))
    found = [m for m in found if m.experiment.config("").model.name == run.config.model.name]
    if not found:
        raise RunError(
            f"{run.path} trains {run.config.model.name}, which is no network of {table} ({', '.join(known)}); "
            "leave it out, or name another table with --against"
        )
    return min(found, key=_distance)


def _matches(run: Run, experiment: Experiment) -> Iterator[Match]:
    mine = flatten(run.config)
    for scale in _scales(run.config):
        yield Match(run, experiment, scale, difference(_flat(experiment.config, scale), mine))


@cache
def _flat(config: Callable[[str], Config], scale: str) -> Mapping[str, Any]:
    return flatten(config(scale))


def _scales(config: Config) -> list[str]:
    """Arguments under which the run could have been started, the plainest first."""
    sizes = (
        f"epochs={config.epochs:g}",
        f"batch={config.batch_size}",
        f"epochs={config.epochs:g},batch={config.batch_size}",
    )
    _, _, data = config.data.source.partition("tfds:")
    mini = [] if not data or data == "imagenet2012" else ["mini" if data == "fashion_mnist" else f"mini={data}"]
    tiny = ["tiny"] if config.data.source == "digits" else []
    return [*tiny, *(",".join(filter(None, (scale, size))) for scale in (*mini, "") for size in ("", *sizes))]


def _distance(found: Match) -> tuple[int, int]:
    """Another seed is the same recipe; members of an ensemble differ in nothing else."""
    seeds = sum(name in _SEEDS for name in found.changes)
    return len(found.changes) - seeds, seeds


def changes_of(found: Match, shared: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs from the recipe, without seeds and without what all runs of a report share."""
    return {
        name: (was, now)
        for name, (was, now) in found.changes.items()
        if name not in _SEEDS and not (name in shared and shared[name] == now)
    }


def shared_changes(matches: Sequence[Match]) -> dict[str, Any]:
    """Fields that every run of a report has changed, and to the same value: {field: value}."""
    first, *others = ({name: now for name, (_, now) in m.changes.items() if name not in _SEEDS} for m in matches)
    return {
        name: value
        for name, value in first.items()
        if others and all(name in other and other[name] == value for other in others)
    }
