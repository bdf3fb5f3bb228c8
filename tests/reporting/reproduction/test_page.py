import csv as csv_module
import io
import re
import xml.etree.ElementTree as ET

import pytest

from inception_jax.reporting.reproduction import records, tables
from inception_jax.reporting.reproduction.comparison import compare
from inception_jax.reporting.reproduction.figures import figures
from inception_jax.reporting.reproduction.markdown import csv, markdown
from inception_jax.reporting.reproduction.page import page
from inception_jax.reporting.reproduction.papers import paper_table
from inception_jax.reporting.reproduction.runs import find_runs
from inception_jax.reporting.reproduction.verdicts import verdicts
from tests.reporting.reproduction.made_runs import EXPERIMENTS, bn_ladder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    comparison = compare(paper_table("bn-figure-3"), find_runs([bn_ladder(folder / "runs")]), EXPERIMENTS)
    return comparison, verdicts(comparison), folder


def test_the_page_needs_nothing_beside_it(made):
    text = page(*made)
    assert not re.search(r"<(script|link|img|iframe)\b|\burl\((?!#)|@import|https?://(?!www\.w3\.org/)", text)
    for target in re.findall(r'href="([^"#]+)"', text):
        assert (made[2] / target).exists() or target.startswith("#"), target


def test_the_page_is_well_formed_and_names_are_unique(made):
    text = page(*made)
    body = (
        text[text.index("<body>") : text.index("</html>")].replace("&nbsp;", " ").replace("class=long", 'class="long"')
    )
    ET.fromstring(body)
    names = re.findall(r'\bid="([^"]+)"', body)
    assert len(names) == len(set(names))
    assert not re.findall(r"var\(--(?!ink|faint|series-\d|soft|mark|link|rule|paper|good|bad|open)", text)


def test_no_colour_of_a_figure_is_fixed(made):
    drawn = figures(made[0])
    assert list(drawn) == [
        "Validation top-1 over steps",
        "Validation top-1 over images",
        "Training loss over steps",
        "Training loss over images",
        "Steps to an accuracy",
    ]
    for svg in drawn.values():
        assert not re.search(r"#[0-9a-f]{6}\b", svg)
        assert "var(--series-0)" in svg


def test_markdown_has_the_verdicts_and_every_run(made):
    text = markdown(*made)
    for line in made[0].lines:
        for marked in line.runs:
            assert f"[{marked.run.path.name}]" in text
    assert text.count("| supported |") == sum(found.word == "supported" for found in made[1]) > 0
    assert "changed recipe: optimizer.momentum 0.8 instead of 0.9" in text
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (made[2] / target).exists() or target == "report.html"


def test_csv_reads_back(made):
    rows = list(csv_module.DictReader(io.StringIO(csv(records.results(made[0])))))
    assert [row["row"] for row in rows][:3] == ["B1", "B2", "B3"]
    assert (float(rows[1]["paper_top1"]), rows[0]["change"]) == (27.3, "")
    assert float(rows[1]["change"]) == pytest.approx(float(rows[1]["top1"]) - float(rows[0]["top1"]))
    assert float(rows[1]["change_low"]) < float(rows[1]["change"]) < float(rows[1]["change_high"])
    runs = list(csv_module.DictReader(io.StringIO(csv(records.runs(made[0], tables.Links(made[2]))))))
    assert len(runs) == 17
    assert sum(not run["marks"] for run in runs) == 13
    assert {run["status"] for run in runs} == {"complete", "incomplete", "diverged"}
    assert all((made[2] / run["config"]).exists() for run in runs)


def test_steps_to_accuracy_are_those_of_the_curves(made):
    title, rows = tables.steps_to_accuracy(made[0])
    assert "the best that every run of inception (mini) reaches" in title
    by_name = {row["experiment"]: row for row in rows}
    assert by_name["inception"]["times fewer"] == "1.00"
    # 70.3 % of bn_x5's 0.63 + 0.1 are 4.5 halves of 100 to 110 updates, seen at a multiple of 117.
    assert 400 < float(by_name["bn_x5"]["steps"].replace(",", "")) < 650
    assert "inception_x5" not in by_name
