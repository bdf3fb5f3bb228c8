"""Runs as a report reads them: config, curves, times, and what is wrong with each."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from inception_jax.config import Config, ConfigError, resolve
from inception_jax.data import splits
from inception_jax.errors import UserError
from inception_jax.reporting.writers import METRICS_FILE, read_metrics

Status = Literal["complete", "incomplete", "diverged", "no metrics"]

# Training images and classes: a summary of a run is read where its images are not.
DATA_SETS = {
    "digits": (1438, 10),
    "tfds:imagenet2012": (1_281_167, 1000),
    "tfds:fashion_mnist": (60_000, 10),
    "tfds:mnist": (60_000, 10),
    "tfds:cifar10": (50_000, 10),
    "tfds:cifar100": (50_000, 100),
}


class RunError(UserError, ValueError):
    """A run that cannot be read, or does not belong into a report. The message names it."""


@dataclass(frozen=True)
class Run:
    """One run directory: config.json and metrics.jsonl, with environment.json and results.json where they are there.

    Attributes:
      path: the directory.
      config: of its newest start.
      rows: of metrics.jsonl, without a last line that was cut.
      results: of results.json, which a finished run has; empty otherwise.
      environment: versions and devices; empty if unknown.
      cut: metrics.jsonl ends in half a line.
    """

    path: Path
    config: Config
    rows: tuple[Mapping[str, Any], ...]
    results: Mapping[str, Any]
    environment: Mapping[str, Any]
    cut: bool

    @property
    def seed(self) -> tuple[int, int]:
        """What tells runs of one recipe apart: the seed, and that of the data."""
        return self.config.seed, self.config.data.seed

    @property
    def last_step(self) -> int:
        """Updates that the newest row has seen; 0 without rows."""
        return max((row["step"] for row in self.rows), default=0)

    @cached_property
    def total_steps(self) -> int | None:
        """Updates of the whole run; None where the number of training images is unknown."""
        config, data = self.config, self.config.data
        if "steps" in self.results:
            return int(self.results["steps"])
        if config.steps:
            return config.steps
        split = splits.parse(data.train_split)
        if data.source not in DATA_SETS or split.name != "train":
            return None
        images = len(split.indices(DATA_SETS[data.source][0]))
        return max(round(config.epochs * images / config.batch_size), 1)

    @property
    def diverged_at(self) -> int | None:
        """The update that gave numbers that are not finite."""
        return next((row["step"] for row in self.rows if row.get("train/diverged")), None)

    @cached_property
    def status(self) -> Status:
        """Where a run of unknown length ends with a validation, it is taken for complete."""
        if not self.rows:
            return "no metrics"
        if self.diverged_at is not None:
            return "diverged"
        if not self.accuracy:
            return "incomplete"
        end = self.total_steps or self.last_step
        return "complete" if self.accuracy[-1][0] >= end else "incomplete"

    def series(self, name: str) -> list[tuple[int, float]]:
        """(step, value) of a metric, without values that were not finite."""
        return [(row["step"], float(row[name])) for row in self.rows if row.get(name) is not None]

    @cached_property
    def accuracy(self) -> list[tuple[int, float]]:
        """(step, top-1) of each validation, 0 to 1."""
        return self.series("validation/top1")

    def error(self, best: bool, top: Literal["top1", "top5"] = "top1") -> float:
        """In per cent, of the last validation or the best."""
        found = [value for _, value in self.series(f"validation/{top}")]
        return 100 * (1 - (max(found) if best else found[-1])) if found else math.nan

    def steps_to(self, accuracy: float) -> tuple[int, int] | None:
        """Between which validations the top-1 `accuracy` is first reached: (the one before, that one); None: never."""
        before = 0
        for step, top1 in self.accuracy:
            if top1 >= accuracy:
                return before, step
            before = step
        return None

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing; None where the number of classes is unknown."""
        source = self.config.data.source
        return 1 / DATA_SETS[source][1] if source in DATA_SETS else None

    @property
    def images_per_second(self) -> float | None:
        """The median over the rows of training."""
        rates = [rate for _, rate in self.series("train/images_per_second")]
        return statistics.median(rates) if rates else None

    @property
    def seconds(self) -> float | None:
        """Of training, validation and saving over all starts; without results.json of training alone, by its rates."""
        if "seconds" in self.results:
            return float(self.results["seconds"])
        total, before = 0.0, 0
        for step, rate in self.series("train/images_per_second"):
            if rate > 0:
                total += (step - before) * self.config.batch_size / rate
            before = step
        return total or None

    @property
    def device(self) -> str:
        """`8 x TPU v4`; empty if unknown."""
        devices = self.environment.get("devices") or []
        return f"{len(devices)} x {devices[0]}" if devices else ""


def find_runs(paths: Iterable[Path]) -> list[Run]:
    """Reads run directories, and those below directories that are none themselves, such as a sweep's.

    Raises:
      RunError: a path that is not there or holds no run, or a run that cannot be read.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        if not path.is_dir():
            raise RunError(f"{path}: there is no such run directory")
        directories = [path] if (path / "config.json").exists() else sorted(d.parent for d in _configs(path))
        if not directories:
            raise RunError(f"{path} is not a run directory and holds none: there is no config.json")
        for directory in directories:
            found.setdefault(directory.resolve(), read_run(directory))
    return list(found.values())


def read_run(path: Path) -> Run:
    """Reads one directory; checkpoints are not needed.

    Raises:
      RunError: config.json or metrics.jsonl is damaged; the file and what is wrong are named.
    """
    try:
        config = resolve(json.loads((path / "config.json").read_text()))
        rows, cut = _metrics(path / METRICS_FILE)
    except (OSError, ValueError, ConfigError) as error:
        named = str(error) if str(path) in str(error) else f"{path / 'config.json'}: {error}"
        raise RunError(f"{named}; the run cannot be read") from error
    return Run(path, config, rows, _optional(path / "results.json"), _optional(path / "environment.json"), cut)


def _configs(path: Path) -> Iterable[Path]:
    """Every config.json below `path`; checkpoints, which are many files, are not looked through."""
    for folder, names, files in os.walk(path):
        names[:] = [name for name in names if name not in ("checkpoints", "events")]
        if "config.json" in files:
            yield Path(folder) / "config.json"


def _metrics(path: Path) -> tuple[tuple[Mapping[str, Any], ...], bool]:
    if not path.exists():
        return (), False
    rows = read_metrics(path)
    content = path.read_bytes()
    ends = not content or content.endswith(b"\n")
    return tuple(rows), not ends and content.count(b"\n") == len(rows)


def _optional(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    return values if isinstance(values, dict) else {}
