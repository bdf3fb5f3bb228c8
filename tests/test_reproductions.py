"""The committed miniatures: their reports and the index are what the runs say."""

import runpy
from pathlib import Path

import pytest

from inception_jax.cli.report import make, read_experiments
from inception_jax.reporting.reproduction import records, tables
from inception_jax.reporting.reproduction.markdown import csv
from inception_jax.reporting.reproduction.papers import paper_table
from inception_jax.reporting.reproduction.verdicts import verdicts

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "docs" / "reproductions.py"))
PRESENT = SCRIPT["present"]()


def test_every_reproduction_has_its_sweep_and_its_table():
    for name, table in SCRIPT["TABLES"].items():
        assert paper_table(table).claims
        assert any(
            (ROOT / "experiments" / family / f"{name}.py").exists() for family in ("reproductions", "inception_v4")
        )


@pytest.mark.skipif(not PRESENT, reason="docs/reproductions/ holds no runs")
def test_the_index_is_what_the_reports_say():
    assert (ROOT / "docs" / "reproductions" / "README.md").read_text() == SCRIPT["index"](), "run `make docs`"


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESENT)
def test_a_report_is_what_its_runs_say(name):
    folder = ROOT / "docs" / "reproductions" / name
    made = make(paper_table(SCRIPT["TABLES"][name]), [folder], read_experiments(ROOT / "experiments"))
    assert (folder / "claims.csv").read_text() == csv(tables.claims(verdicts(made))), "run `make docs`"
    assert (folder / "results.csv").read_text() == csv(records.results(made))
