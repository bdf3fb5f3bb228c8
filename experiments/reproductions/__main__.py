"""Runs the miniature reproductions and keeps what docs/reproductions.py makes reports of: `make reproductions`.

    python -m experiments.reproductions run runs    the sweeps below `runs`, one a core; the same again continues
    python -m experiments.reproductions keep runs   summaries of what is done there, without checkpoints

Names of comparisons may follow; all by default.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.index import FOLDER, MEASURED
from experiments.reproductions import side_by_side
from inception_jax.cli.sweep_members import members
from inception_jax.reporting.reproduction.runs import Run, read_run
from inception_jax.reporting.tables import render

KEPT = FOLDER.parent / "docs" / "reproductions"
FILES = ("config.json", "environment.json", "results.json", "metrics.jsonl")
SEEDS = (0, 1, 2)
# Small networks gain little from a second core: every process keeps to one, and there are as many as cores.
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"
# All of them together took 76 minutes on two CPU cores; the same for every row of a comparison.
SHARED = (
    "--config.data.eval_split=test[:5000]",
    "--config.evaluation.batch_size=250",
    "--config.checkpoint.every_epochs=0.0",
    "--config.checkpoint.keep_best=0",
    "--config.checkpoint.keep_last=1",
)
# GoogLeNet and BN-Inception take images of 32 pixels; Inception-v3 and its successors need 75.
SMALL = ("--config.data.image_size=32", "--config.evaluation.every_epochs=0.1")
LARGE = ("--config.data.image_size=75", "--config.batch_size=32", "--config.evaluation.every_epochs=0.05")
# Scaling is for networks of more than a thousand filters: at half their width the last residual modules have 1,040.
WIDE = (*LARGE, "--config.model.width=0.5", r"--only=scale=(1\.0|0\.1),")


@dataclass(frozen=True)
class Comparison:
    """A sweep of experiments/, what stands behind its name, and further flags."""

    sweep: str
    scale: str
    flags: tuple[str, ...]

    @property
    def config(self) -> str:
        """`--config` flag; the checkout is the working directory."""
        return f"--config=experiments/{self.sweep}:{self.scale}"


# The longest come first, so that the processes end together.
COMPARISONS = {
    "bn_ladder": Comparison("reproductions/bn_ladder.py", "mini,epochs=1.0", SMALL),
    "residual": Comparison("reproductions/residual.py", "mini,epochs=0.3", LARGE),
    "rethinking_ladder": Comparison("reproductions/rethinking_ladder.py", "mini,epochs=0.25", LARGE),
    "residual_scaling": Comparison("inception_v4/residual_scaling.py", "mini,epochs=0.1", WIDE),
    "modules": Comparison("reproductions/modules.py", "mini,epochs=0.4", SMALL),
    "auxiliary": Comparison("reproductions/auxiliary.py", "mini,epochs=0.6", SMALL),
}


def command(name: str, runs: Path) -> list[str]:
    """What trains all that is not finished of one comparison."""
    one, seeds = COMPARISONS[name], f"--seeds={','.join(map(str, SEEDS))}"
    program = str(Path(sys.executable).with_name("inception-jax"))
    return [program, "sweep", one.config, seeds, *SHARED, *one.flags, f"--workdir={runs / name}"]


def keep(name: str, runs: Path) -> None:
    """Copies the summaries of finished and diverged runs; what is there gives way."""
    for config in sorted((runs / name).glob("*/config.json")):
        one = read_run(config.parent)
        if not one.results and one.status != "diverged":
            continue
        target = KEPT / name / config.parent.name
        target.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            if (config.parent / file).exists():
                shutil.copy(config.parent / file, target / file)


def measured() -> list[dict[str, str]]:
    """Rows of experiments/measured.csv: mean and standard deviation of the last validations' top-1 errors.

    Each is linked to its report, which begins with what these runs have other than their experiments at that scale.
    """
    results: dict[str, list[str]] = {}
    for name, one in COMPARISONS.items():
        found: dict[str, list[Run]] = {}
        for member in members([one.config], SEEDS):
            if (folder := KEPT / name / member.name).exists():
                found.setdefault(experiment(one, member.overrides), []).append(read_run(folder))
        for row, runs in found.items():
            link = f"([{one.scale}](../docs/reproductions/{name}/report.md))"
            results.setdefault(row, []).append(f"{_result(runs)}<br>{link}")
    return [{"experiment": row, "scale": "mini", "result": "<br>".join(found)} for row, found in results.items()]


def experiment(one: Comparison, overrides: Mapping[str, Any]) -> str:
    """What a run of a sweep trains, as experiments/index.py names it: `FAMILY/FILE.py[:ARGUMENT]`."""
    file = posixpath.normpath(posixpath.join(posixpath.dirname(one.sweep), overrides.get("config", "")))
    own = [f"{name}={value}" for name, value in overrides.items() if name not in ("config", "seed")]
    return ":".join(filter(None, (file if "config" in overrides else one.sweep, ",".join(own))))


def _result(runs: Sequence[Run]) -> str:
    errors = [one.error(best=False) for one in runs if one.status == "complete"]
    diverged = sum(one.status == "diverged" for one in runs)
    parts = [f"{diverged} of {len(runs)} diverged"] if diverged else []
    if errors:
        spread = f" ± {statistics.stdev(errors):.1f}" if len(errors) > 1 else ""
        parts.append(f"{statistics.fmean(errors):.1f}{spread} ({len(errors)} seeds)")
    return ", ".join(parts)


def main() -> int:
    """Runs or keeps, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "keep"))
    parser.add_argument("runs", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMPARISONS)}")
    arguments = parser.parse_args()
    if unknown := {*arguments.names} - {*COMPARISONS}:
        parser.error(f"{', '.join(unknown)}: not of {', '.join(COMPARISONS)}")
    names = arguments.names or list(COMPARISONS)
    if arguments.what == "run":
        flags = f"{XLA_FLAGS} {os.environ.get('XLA_FLAGS', '')}".strip()
        commands = {name: command(name, arguments.runs) for name in names}
        return side_by_side.run(commands, at_once=os.cpu_count() or 1, environment={"XLA_FLAGS": flags})
    for name in names:
        keep(name, arguments.runs)
    if rows := measured():
        MEASURED.write_text(render(rows, ("experiment", "scale", "result"), "csv") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
