"""`inception-jax report`."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from inception_jax.cli.config_flags import load_module
from inception_jax.config import Config, resolve
from inception_jax.errors import UserError
from inception_jax.models.cost import costs
from inception_jax.new_file import new_file
from inception_jax.reporting.files import require_new
from inception_jax.reporting.reproduction import records, tables
from inception_jax.reporting.reproduction.comparison import Comparison, compare
from inception_jax.reporting.reproduction.markdown import csv, markdown
from inception_jax.reporting.reproduction.page import page
from inception_jax.reporting.reproduction.papers import PaperTable, paper_table, paper_tables
from inception_jax.reporting.reproduction.recipes import Experiment
from inception_jax.reporting.reproduction.runs import DATA_SETS, Run, find_runs
from inception_jax.reporting.reproduction.verdicts import Verdict, verdicts
from inception_jax.reporting.tables import FORMATS, render
from inception_jax.training.experiment import build_network

FILES = ("report.md", "report.html", "results.csv", "runs.csv", "claims.csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUNS",
        help="run directories, or directories that hold them, as a sweep's",
    )
    parser.add_argument("--against", metavar="TABLE", help="the table, such as rethinking-table-3")
    parser.add_argument("--list", action="store_true", help="list the tables, and what measures a row of each")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how --list and the claims are printed")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help=f"where {', '.join(FILES)} are written; default: reports/TABLE"
    )
    parser.add_argument("--replace", action="store_true", help="write over an older report in that directory")
    parser.add_argument(
        "--experiments", type=Path, default=Path("experiments"), metavar="DIR", help="the experiments of the project"
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes a report and prints its verdicts, or lists the tables."""
    if arguments.list:
        print(
            render(
                _listed(arguments.experiments), ("table", "source", "rows", "claims", "experiments"), arguments.format
            )
        )
        return 0
    if not arguments.against:
        raise UserError("say with --against which table; `inception-jax report --list` has them all")
    table = paper_table(arguments.against)
    if not arguments.runs:
        raise UserError(f"name the runs: inception-jax report RUNS... --against {table.name}")
    folder = arguments.output or Path("reports") / table.name
    comparison = make(table, arguments.runs, read_experiments(arguments.experiments))
    found = write(comparison, folder, replace=arguments.replace)
    if found:
        print(render(tables.claims(found), ("verdict", "claim", "scale", "measured"), arguments.format))
    print(f"\n{folder / 'report.md'}, report.html, results.csv, runs.csv" + (", claims.csv" if found else ""))
    return 0


def make(table: PaperTable, paths: Sequence[Path], experiments: Sequence[Experiment]) -> Comparison:
    """Reads the runs and compares them with a table.

    Raises:
      UserError: a run cannot be read, or does not belong to the table.
    """
    runs = find_runs(paths)
    known: dict[tuple[Any, int], int] = {}
    counted: dict[Path, int] = {}
    compare(table, runs, experiments)  # what is wrong is said before networks are traced
    for one in runs:
        key = repr(one.config.model), one.config.data.image_size
        if key not in known:
            known[key] = _multiply_adds(one)
        counted[one.path] = known[key]
    return compare(table, runs, experiments, counted)


def _multiply_adds(one: Run) -> int:
    config = one.config
    _, classes = DATA_SETS.get(config.data.source, (0, 1000))
    network = build_network(config, classes)
    heads = {head.name for head in network.heads}
    return sum(cost.multiply_adds for cost in costs(network, config.data.image_size) if cost.name not in heads)


def write(comparison: Comparison, folder: Path, *, replace: bool = False) -> list[Verdict]:
    """Writes the files of a report into `folder`, which is made where it is missing.

    Returns:
      The verdicts.

    Raises:
      OutputFileError: a file is there already and is not to be replaced, or the file system refuses.
    """
    found = verdicts(comparison)
    links = tables.Links(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}") from error
    if not replace:
        for name in FILES:
            require_new(folder / name, suffixes=(Path(name).suffix,))
    contents = {
        "report.md": markdown(comparison, found, folder),
        "report.html": page(comparison, found, folder),
        "results.csv": csv(records.results(comparison)),
        "runs.csv": csv(records.runs(comparison, links)),
        **({"claims.csv": csv(tables.claims(found))} if found else {}),
    }
    for name, text in contents.items():
        with new_file(folder / name, replace=replace) as file:
            file.write(text.encode())
    return found


def read_experiments(folder: Path) -> list[Experiment]:
    """Every experiment of `folder/FAMILY/FILE.py`, once for each of the arguments that stand for a published row.

    Raises:
      UserError: there are none.
    """
    found = []
    for path in sorted(folder.glob("*/*.py")):
        if not re.search(r"^def get_config\b", path.read_text(), re.MULTILINE):
            continue
        module = load_module(path)
        title = re.split(r" \(|[:;.](?: |$)", (inspect.getdoc(module) or "").removeprefix("... "))[0]
        for argument, rows in getattr(module, "ROWS", {"": ()}).items():
            name = f"{path.parent.name}/{path.name}" + (f":{argument}" if argument else "")
            found.append(Experiment(name, path, title, tuple(rows), cache(partial(_config, module, argument))))
    if not found:
        raise UserError(f"{folder} holds no experiments; name the project's with --experiments=DIR")
    return found


def _config(module: Any, argument: str, scale: str) -> Config:
    return resolve(module.get_config(",".join(filter(None, (argument, scale)))))


def _listed(folder: Path) -> list[dict[str, Any]]:
    experiments = read_experiments(folder)
    return [
        {
            "table": table.name,
            "source": table.title,
            "rows": len(table.rows),
            "claims": len(table.claims),
            "experiments": sum(
                bool({row.id for row in table.rows} & set(e.rows)) or e.name in table.also for e in experiments
            ),
        }
        for table in paper_tables().values()
    ]
