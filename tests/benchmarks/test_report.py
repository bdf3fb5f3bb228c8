import copy
from pathlib import Path

import pytest

from benchmarks import report, summary
from benchmarks.contenders import CONTENDERS

ROOT = Path(__file__).parents[2]


def entry(name, seconds, **changes):
    measured = {
        "name": name,
        "parameters": 27_161_264,
        "compile_seconds": 90.4,
        "versions": {"jax": "0.10.2"},
        "seconds_per_step": seconds,
        "start_peak_bytes": 3 * 2**30,
        "round_peak_bytes": 2**30,
        "idle_cpu_share": 0.001,
    }
    return measured | changes


RUN = {
    "command": "python benchmarks/step.py inception_v3 --rounds 3",
    "network": "inception_v3",
    "variant": "torchvision",
    "batch": 8,
    "image_size": 299,
    "width": 1.0,
    "rounds": 3,
    "mode": "train",
    "environment": {
        "date": "2026-11-24",
        "cpu": "A CPU",
        "cores": 2,
        "memory_bytes": 24 * 2**30,
        "load": 0.04,
        "xla_flags": "",
        "python": "3.11.9",
        "platform": "Linux",
        "git_commit": "0123abc-dirty",
    },
    "contenders": [
        # The machine was half as fast in the second round: the ratio does not see it, a quotient of medians would not.
        entry("ours", [2.0, 4.0, 2.0]),
        entry("plain", [4.0, 10.0, 6.0], idle_cpu_share=0.004),
        entry("torch", [8.0, 16.0, 8.0], compile_seconds=None, versions={"torch": "2.14.1"}),
        {"name": "keras", "absent": "keras.applications has no inception_v9"},
        {"name": "torch-bf16", "failed": "torch-bf16 was killed by SIGKILL in a round"},
    ],
}


def test_rates_are_medians_and_ratios_are_formed_inside_rounds():
    ours, plain, torch = summary.rows(RUN)
    assert ours == {
        "contender": "ours",
        "images/s": "4.00",
        "against plain": "2.50 (2.00 to 3.00)",
        "compile": "90 s",
        "memory at start": "3.00 GiB",
        "memory in rounds": "1.00 GiB",
        "parameters": "27,161,264",
    }
    assert (plain["images/s"], plain["against plain"]) == ("1.33", "1")
    assert (torch["against plain"], torch["compile"]) == ("0.62 (0.50 to 0.75)", "none")


@pytest.mark.parametrize(("number", "text"), [(0.0123, "0.0123"), (1.618, "1.62"), (310.4, "310"), (1554, "1,550")])
def test_rates_have_three_digits(number, text):
    assert summary.rate(number) == text


def test_without_the_baseline_there_is_no_ratio():
    run = RUN | {"contenders": [entry("ours", [2.0])]}
    assert summary.rows(run)[0]["against plain"] == ""


def test_the_page_says_who_was_measured_where_and_who_was_not():
    page = report.page([RUN])
    assert "## inception_v3, 299 pixels, batch 8\n" in page
    assert "### Training" in page
    assert "| ours | 4.00 | 2.50 (2.00 to 3.00) | 90 s | 3.00 GiB | 1.00 GiB | 27,161,264 |" in page
    assert "keras takes no part: keras.applications has no inception_v9." in page
    assert "torch-bf16 failed: torch-bf16 was killed by SIGKILL in a round." in page
    assert "$ python benchmarks/step.py inception_v3 --rounds 3" in page
    for fact in ("2026-11-24", "A CPU", "2 cores", "24 GiB", "jax 0.10.2", "torch 2.14.1", "`0123abc-dirty`", "0.4%"):
        assert fact in page
    assert all(f"- `{name}`: " in page for name in CONTENDERS)


def test_runs_are_grouped_and_training_comes_first():
    infer, narrow, other = copy.deepcopy(RUN), copy.deepcopy(RUN), copy.deepcopy(RUN)
    infer["mode"], narrow["width"], other["network"] = "infer", 0.25, "googlenet"
    page = report.page([infer, narrow, other, RUN])
    headings = [line for line in page.split("\n") if line.startswith("##") and line[2:].strip()[0].islower()]
    assert headings == [
        "## googlenet, 299 pixels, batch 8",
        "## inception_v3, 299 pixels, batch 8, width 0.25",
        "## inception_v3, 299 pixels, batch 8",
    ]
    full = page.split("batch 8\n")[-1]
    assert full.index("### Training") < full.index("### Inference")


def test_a_run_in_which_nobody_was_measured_has_no_table():
    run = RUN | {"contenders": [{"name": "keras", "absent": "it is not there"}]}
    assert "| contender" not in report.page([run])


@pytest.mark.parametrize("name", ["date", "cpu", "git_commit"])
def test_a_file_without_its_environment_is_no_result(name):
    run = copy.deepcopy(RUN)
    del run["environment"][name]
    with pytest.raises(KeyError, match=name):
        report.page([run])


def test_the_page_in_docs_is_made_from_the_committed_results():
    results = ROOT / "benchmarks" / "results"
    made = report.page(report.read(results), report.read(results / "views"), report.read(results / "input"))
    assert (ROOT / "docs" / "performance.md").read_text() == made
