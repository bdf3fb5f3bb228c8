"""Writes the reports of docs/reproductions/ and their index, README.md, from the runs that are kept there: `make docs`.

A folder docs/reproductions/NAME holds the runs of `experiments/reproductions/NAME.py`, each with config.json,
environment.json, metrics.jsonl and results.json, and the report that is written from them.
"""

import csv
from pathlib import Path

from inception_jax.cli.report import make, read_experiments, write
from inception_jax.reporting.reproduction.papers import paper_table

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reproductions"
TABLES = {
    "bn_ladder": "bn-figure-3",
    "rethinking_ladder": "rethinking-table-3",
    "residual": "inception-v4-table-2",
    "residual_scaling": "inception-v4-section-3.3",
    "auxiliary": "googlenet-section-5",
    "modules": "googlenet-figure-2",
}

INTRODUCTION = """# Miniature reproductions

Generated from the runs of this folder by `make docs`.

Small, narrow and short forms of the papers' experiments, each with several seeds, on two CPU cores. Every verdict
follows from the runs: supported or contradicted where the 95 % interval says so, else undecided at this scale. Networks
have all their modules, with an eighth to a half of the filters, but train for two thousand updates at most, on images
of 28 pixels, enlarged: a miniature that does not show an effect is no evidence against it at full size. Each report has
the table, the curves, the steps to accuracy and every run with its config, and begins with what all of them changed.
"""


def main() -> None:
    """Writes the report of every folder that holds runs, then the index."""
    experiments = read_experiments(ROOT / "experiments")
    for name in present():
        folder = FOLDER / name
        write(make(paper_table(TABLES[name]), [folder], experiments), folder, replace=True)
    if present():
        (FOLDER / "README.md").write_text(index())


def present() -> list[str]:
    """Folders that hold runs, in the order of `TABLES`."""
    return [name for name in TABLES if next((FOLDER / name).glob("*/config.json"), None)]


def index() -> str:
    """What was asked, and what the runs say of it: first what they show, then what they do not."""
    claims = {name: list(csv.DictReader((FOLDER / name / "claims.csv").read_text().splitlines())) for name in present()}
    parts = [INTRODUCTION]
    for name, rows in claims.items():
        supported = sum(row["verdict"] == "supported" for row in rows)
        link = f"[{paper_table(TABLES[name]).title}]({name}/report.md)"
        parts.append(f"- {link}: {supported} of {len(rows)} claims supported; [with curves]({name}/report.html)")
    parts.append("\n## What the miniatures show\n")
    parts += [_line(name, row) for name, rows in claims.items() for row in rows if row["verdict"] == "supported"]
    parts.append("\n## Where the miniatures do not show the paper's effect\n")
    parts += [_line(name, row) for name, rows in claims.items() for row in rows if row["verdict"] != "supported"]
    return "\n".join(parts) + "\n"


def _line(name: str, row: dict[str, str]) -> str:
    verdict = "" if row["verdict"] == "supported" else f"**{row['verdict']}**. "
    return f"- {row['claim']} ({row['where']}) {verdict}[{name}]({name}/report.md): {row['measured']}."


if __name__ == "__main__":
    main()
