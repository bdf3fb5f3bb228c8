import json
import runpy
from pathlib import Path

import pytest

from inception_jax.cli.compile import COLUMNS
from inception_jax.distributed.tpu import slice_named

ROOT = Path(__file__).parents[1]
SCALING = runpy.run_path(str(ROOT / "docs" / "scaling.py"))
COMPILED = sorted((ROOT / "docs" / "compiled").glob("*.json"))


def test_the_page_is_what_the_compiled_programs_say():
    assert (ROOT / "docs" / "scaling.md").read_text() == SCALING["page"](), "run `python docs/scaling.py`"
    assert SCALING["FIGURE"].is_file()


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_a_file_is_of_the_command_that_makes_it(path):
    found = json.loads(path.read_text())
    assert found["command"] == " ".join(("inception-jax", "compile", *SCALING["COMMANDS"][path.stem], "--format=json"))
    assert set(found["row"]) <= set(COLUMNS)
    assert found["row"]["fits"]


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_its_times_follow_from_cycles_and_bandwidths(path):
    row = json.loads(path.read_text())["row"]
    where = slice_named(row["topology"])
    compute = row["estimated_cycles"] / where.chip.clock
    assert row["compute_seconds"] == pytest.approx(compute)
    assert row["step_seconds"] == pytest.approx(compute + row["interconnect_seconds"])
    assert row["images_per_second"] == pytest.approx(row["batch_size"] / row["step_seconds"])
    assert row["chip_hours"] == pytest.approx(row["steps"] * row["step_seconds"] * where.chips / 3600)


@pytest.mark.parametrize("topology", SCALING["WEAK"])
def test_weak_scaling_is_the_compiled_step_where_it_was_compiled(topology):
    found = SCALING["weak"]("inception_v3", topology)
    row = SCALING["compiled"]("inception_v3")["row"]
    assert found["batch"] == 32 * found["chips"]
    if topology == row["topology"]:
        assert found["images/s"] == round(row["images_per_second"])
        assert found["interconnect, ms"] == f"{row['interconnect_seconds'] * 1e3:.2f}"


def test_every_compiled_full_size_experiment_sums_its_gradients_and_nothing_else():
    """In bfloat16 or float32, some large networks' in one sum more; statistics would be one collective a layer."""
    rows = [SCALING["compiled"](name)["row"] for name in SCALING["FULL_SIZE"]]
    assert all(row["collectives"] in ("3 all-reduce", "4 all-reduce") for row in rows)
    for row in rows:
        parameters = row["parameter_bytes"] / 4
        assert 2 * parameters < row["collective_bytes"] < 4 * parameters
