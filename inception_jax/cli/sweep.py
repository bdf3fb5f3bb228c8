"""`inception-jax sweep`."""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inception_jax.cli.config_flags import add_config_argument
from inception_jax.cli.launch import TARGETS, add_target_arguments, job, start
from inception_jax.cli.sweep_members import Member, members
from inception_jax.config import flatten
from inception_jax.distributed.launch import local
from inception_jax.distributed.launch.training import Training, name_of
from inception_jax.errors import UserError
from inception_jax.new_file import new_file
from inception_jax.reporting.reproduction.runs import Run, read_run
from inception_jax.reporting.tables import FORMATS, render
from inception_jax.training.lock import locked
from inception_jax.training.run_directory import require_same, writing

TABLE = "sweep.csv"
_SUFFIX = {"gke": ".yaml"}
_SUBMIT = {"slurm": "sbatch", "gke": "kubectl apply --filename"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_config_argument(parser, "the experiment, a Python file with sweep(); its argument is that of every run")
    parser.add_argument("--workdir", type=Path, required=True, help="a directory for a run directory of each")
    parser.add_argument("--seeds", type=_seeds, default=(), metavar="0,1,2", help="repeat every run with these seeds")
    parser.add_argument("--only", metavar="PATTERN", help="only runs whose names have this regular expression")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the table is printed")
    parser.add_argument("--results", action="store_true", help="only print the table of what there is")
    parser.add_argument(
        "--on", choices=["here", *TARGETS], default="here", help="one after the other here (default), or a job of each"
    )
    parser.add_argument("--jobs", type=Path, metavar="DIR", help="with --on: write the jobs' files there")
    parser.add_argument("--go", action="store_true", help="with --on: start the jobs")
    add_target_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Checks every run, where a mistake costs a second, then trains those that are not finished."""
    found = _only(members(arguments.config_flags, arguments.seeds), arguments.only)
    sweep = _Sweep(found, arguments.workdir)
    if arguments.results:
        print(sweep.table(arguments.format))
        return 0
    sweep.require_same()
    if arguments.on != "here":
        return _jobs(arguments, sweep)
    with writing(arguments.workdir):
        arguments.workdir.mkdir(parents=True, exist_ok=True)
    with locked(arguments.workdir):
        code = sweep.train()
    print(sweep.table(arguments.format))
    return code


class _Sweep:
    """Runs in one directory."""

    def __init__(self, found: Sequence[Member], workdir: Path) -> None:
        self.members, self.workdir = found, workdir
        self._failed: dict[str, int] = {}

    def directory(self, member: Member) -> Path:
        return self.workdir / member.name

    def read(self, member: Member) -> Run | None:
        """None where it has not begun."""
        directory = self.directory(member)
        return read_run(directory) if (directory / "config.json").exists() else None

    def waiting(self) -> list[Member]:
        """Runs without an outcome: neither finished nor diverged, which they would again."""
        runs = [(member, self.read(member)) for member in self.members]
        return [member for member, one in runs if one is None or not (one.results or one.status == "diverged")]

    def require_same(self) -> None:
        """Raises RunDirectoryError if the directory holds runs of another sweep."""
        for member in self.members:
            if (one := self.read(member)) and not member.config.init.weights:
                require_same(flatten(one.config), flatten(member.config), self.directory(member))

    def train(self) -> int:
        """Trains one after the other; returns 0, 1 if a run failed, or 128 + the signal that stopped it."""
        waiting, seconds = self.waiting(), list[float]()
        done = len(self.members) - len(waiting)
        if done:
            print(f"{done} of {len(self.members)} runs are done", file=sys.stderr)
        # One program serves all runs that differ in numbers which are no part of it.
        cache = {"JAX_COMPILATION_CACHE_DIR": str(self.workdir.absolute() / "compiled")}
        for number, member in enumerate(waiting, 1):
            left = statistics.fmean(seconds) * (len(waiting) - number + 1) if seconds else None
            eta = f", ETA {datetime.timedelta(seconds=round(left))}" if left else ""
            print(f"[{done + number}/{len(self.members)}] {member.name}{eta}", file=sys.stderr, flush=True)
            started = time.monotonic()
            training = Training(member.arguments(self.workdir), name_of(self.directory(member)))
            code, signum = local.run_alone(training, cache | os.environ)
            seconds.append(time.monotonic() - started)
            if signum:
                print("inception-jax sweep: run the same command again to continue", file=sys.stderr)
                return 128 + signum
            if code:
                self._failed[member.name] = code
            self._write()
        return self._report_failures()

    def _report_failures(self) -> int:
        for member in self.members:
            if code := self._failed.get(member.name):
                one = self.read(member)
                what = "diverged" if one and one.status == "diverged" else f"failed with exit code {code}"
                command = shlex.join(["inception-jax", *member.arguments(self.workdir)])
                print(f"inception-jax sweep: {member.name} {what}: {command}", file=sys.stderr)
        return 1 if self._failed else 0

    def rows(self) -> tuple[list[dict[str, Any]], list[str]]:
        """A row for each run, and the columns."""
        keys = list(dict.fromkeys(key for member in self.members for key in member.overrides))
        rows = [{"run": m.name, **m.overrides, **_result(self.read(m))} for m in self.members]
        for row in rows:
            if row["run"] in self._failed and row["status"] not in ("finished", "diverged"):
                row["status"] = "failed"
        return rows, ["run", *keys, *_result(None)]

    def table(self, format: str) -> str:
        return render(*self.rows(), format)

    def _write(self) -> None:
        with new_file(self.workdir / TABLE, replace=True) as file:
            file.write(self.table("csv").encode() + b"\n")


def _result(one: Run | None) -> dict[str, Any]:
    """Of the last validation; errors as fractions."""
    row: dict[str, Any] = dict.fromkeys(("status", "step", "top1_error", "top5_error", "loss", "best_top1_error"))
    row["seconds"] = None
    if one is None:
        return row | {"status": "not started"}
    row["status"] = "finished" if one.results else "diverged" if one.status == "diverged" else "stopped"
    row["step"] = one.last_step
    if last := next((values for values in reversed(one.rows) if "validation/top1" in values), None):
        row["top1_error"], row["top5_error"] = 1 - last["validation/top1"], 1 - last["validation/top5"]
        row["loss"] = last.get("validation/loss")
        row["best_top1_error"] = 1 - max(top1 for _, top1 in one.accuracy)
    return row | {"seconds": one.seconds}


def _jobs(arguments: argparse.Namespace, sweep: _Sweep) -> int:
    """Starts a job of each run, or writes their files and prints what starts them."""
    waiting, folder = sweep.waiting(), arguments.jobs
    if not arguments.go and folder is None:
        raise UserError(f"--on={arguments.on} writes one file a run: name a folder with --jobs=DIR, or start with --go")
    failed = False
    for number, member in enumerate(waiting, 1):
        # Names are cut to a length, behind which a number keeps them apart.
        name = f"{name_of(arguments.workdir)[:30]}-{number}"
        training = Training(member.arguments(arguments.workdir), name)
        if arguments.go:
            if code := start(arguments, training):
                failed = True
                print(f"inception-jax sweep: {member.name} was not started (exit code {code})", file=sys.stderr)
            continue
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{member.name}{_SUFFIX.get(arguments.on, '.sh')}"
        with new_file(path) as file:
            file.write(job(arguments, training).encode())
        print(f"{_SUBMIT.get(arguments.on, 'bash')} {shlex.quote(str(path))}")
    return int(failed)


def _only(found: Sequence[Member], pattern: str | None) -> Sequence[Member]:
    try:
        kept = [member for member in found if not pattern or re.search(pattern, member.name)]
    except re.error as error:
        raise UserError(f"--only={pattern!r} is no regular expression: {error}") from error
    if not kept:
        raise UserError(f"--only={pattern} leaves none of {', '.join(member.name for member in found)}")
    return kept


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers with commas between them, such as 0,1,2, not {text!r}") from None
    if len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"{text!r} has a seed twice")
    return seeds
