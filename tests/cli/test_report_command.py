import csv
import json
from pathlib import Path

import pytest

from inception_jax.cli import report
from inception_jax.cli.main import main
from tests.reporting.reproduction.made_runs import config_of, made_run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_multiply_adds", lambda run: 1000)
    for seed in range(2):
        for name, error in (("rmsprop", 0.30), ("inception_v2", 0.35)):
            config = config_of(f"inception_v3/{name}.py", seed=seed)
            made_run(tmp_path / "runs" / f"{name}_{seed}", config, error + 0.001 * seed)
    return tmp_path / "runs"


def test_a_report_is_written_once_and_replaced_when_asked(runs, tmp_path, capsys):
    arguments = ["report", str(runs), "--against", "rethinking-table-3", "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "RMSProp lowers the error of Inception-v2." in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(report.FILES)
    verdicts = {
        row["claim"]: row["verdict"]
        for row in csv.DictReader((tmp_path / "out" / "claims.csv").read_text().splitlines())
    }
    assert verdicts["RMSProp lowers the error of Inception-v2."] == "supported"
    assert verdicts["Label smoothing lowers it further."] == "undecided at this scale"
    assert main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*arguments, "--replace", "--format", "json"]) == 0
    text = capsys.readouterr().out
    assert len(json.loads(text[: text.rindex("]") + 1])) == 5


def test_the_tables_are_listed(capsys):
    assert main(["report", "--list", "--format", "csv"]) == 0
    rows = {row["table"]: row for row in csv.DictReader(capsys.readouterr().out.splitlines())}
    assert rows["rethinking-table-3"]["rows"] == "8"
    assert int(rows["rethinking-table-3"]["experiments"]) >= 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--against", "rethinking-tabel-3", "x"],
            "there is no table 'rethinking-tabel-3'; did you mean rethinking-table-3",
        ),
        (["x"], "say with --against which table"),
        (
            ["--against", "rethinking-table-3"],
            "name the runs: inception-jax report RUNS... --against rethinking-table-3",
        ),
        (["--against", "rethinking-table-3", "absent"], "absent: there is no such run directory"),
        (["--against", "rethinking-table-3", "docs", "--experiments", "docs"], "docs holds no experiments"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, message, capsys):
    assert main(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_cost_is_that_of_the_network(tmp_path):
    (tmp_path / "run").mkdir()
    config = config_of("googlenet/baseline.py", "tiny")
    found = report.find_runs([made_run(tmp_path / "run" / "a", config, steps=2, every=1)])
    assert report._multiply_adds(found[0]) > 0
