import pytest

from inception_jax.reporting.reproduction.comparison import compare
from inception_jax.reporting.reproduction.papers import paper_table
from inception_jax.reporting.reproduction.recipes import match
from inception_jax.reporting.reproduction.runs import RunError, find_runs, read_run
from tests.reporting.reproduction.made_runs import BY_NAME, EXPERIMENTS, bn_ladder, config_of, made_run

FIGURE_3 = paper_table("bn-figure-3")


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    runs = find_runs([bn_ladder(tmp_path_factory.mktemp("ladder"))])
    return compare(FIGURE_3, runs, EXPERIMENTS)


@pytest.mark.parametrize("scale", ["", "batch=1024", "epochs=30", "mini", "mini=cifar10", "mini,epochs=6", "tiny"])
@pytest.mark.parametrize("name", ["bn_inception/bn_x5.py", "bn_inception/bn_x30.py", "bn_inception/inception_x5.py"])
def test_a_run_is_recognised_at_every_scale(tmp_path, name, scale):
    run = read_run(made_run(tmp_path / "run", config_of(name, scale, seed=7)))
    experiments = [e for e in EXPERIMENTS if e.name.startswith("bn_inception/")]
    found = match(run, experiments, "bn-figure-3")
    assert (found.experiment.name, found.scale) == (name, scale)
    assert set(found.changes) <= {"seed"}


def test_members_of_an_ensemble_are_told_apart(tmp_path):
    members = [e for e in EXPERIMENTS if e.name.startswith("googlenet/ensemble.py")]
    for member in members[1:4]:
        run = read_run(made_run(tmp_path / member.name.rpartition("=")[2], member.config("")))
        assert match(run, members, "googlenet-table-3").experiment == member


def test_every_run_is_there_and_what_does_not_count_is_marked(ladder):
    marks = {marked.run.path.name: marked.marks for line in ladder.lines for marked in line.runs}
    assert len(marks) == 17
    assert {name: mark[0] for name, mark in marks.items() if mark} == {
        "bn_x5_again": "same seed as bn_x5_1",
        "bn_x5_stopped": "incomplete: 1,404 of 3,750 steps",
        "inception_x5_0": "diverged at step 300",
        "inception_x5_1": "diverged at step 300",
    }


def test_a_changed_recipe_is_a_line_of_its_own(ladder):
    changed = [line for line in ladder.lines if line.changes]
    assert [line.changes for line in changed] == [{"optimizer.momentum": (0.9, 0.8)}]
    assert [marked.run.path.name for marked in changed[0].runs] == ["bn_x5_other_momentum"]
    line = ladder.line("bn_inception/bn_x5.py", "mini")
    assert line
    assert [run.seed[0] for run in line.counted] == [0, 1, 2]


def test_what_all_runs_changed_alike_marks_none(tmp_path):
    for name in ("bn_x5", "bn_x30"):
        made_run(tmp_path / name, config_of(f"bn_inception/{name}.py", model={"width": 0.1}))
    found = compare(FIGURE_3, find_runs([tmp_path]), EXPERIMENTS)
    assert found.shared == {"model.width": 0.1}
    assert not any(line.changes for line in found.lines)


def test_rows_are_those_of_the_table_with_their_lines(ladder):
    printed = [row.printed and row.printed.id for row in ladder.rows]
    assert printed == ["B1", "B2", "B3", "B3", "B4", "B5", "B6", None]
    assert [row.line is not None for row in ladder.rows] == [True, True, True, True, True, False, False, True]
    means = {row.line.label: row.line.top1.mean for row in ladder.rows if row.line and row.line.top1}
    # Three seeds of 26.1, 26.2, 26.3 at infinity; 3750 updates are 37 half-lives of the distance to that.
    assert means["bn_x5"] == pytest.approx(27.1, abs=0.01)
    assert ladder.rows[2].line.top1.deviation == pytest.approx(0.1, abs=0.01)
    reference = ladder.rows[0].line
    change = ladder.change(ladder.rows[2].line)
    assert change.mean == pytest.approx(means["bn_x5"] - reference.top1.mean)


def test_a_difference_from_the_paper_needs_its_images(tmp_path, ladder):
    assert all(row.gap is None for row in ladder.rows)
    config = config_of("bn_inception/bn_x5.py", "")
    for seed, error in enumerate((0.268, 0.270, 0.275)):
        made_run(
            tmp_path / str(seed),
            config_of("bn_inception/bn_x5.py", "", seed=seed),
            error,
            halfway=10_000,
            steps=config.steps,
            every=100_000,
        )
    found = compare(FIGURE_3, find_runs([tmp_path]), EXPERIMENTS)
    gap = next(row.gap for row in found.rows if row.line)
    assert gap is not None
    assert gap.mean == pytest.approx((26.8 + 27.0 + 27.5) / 3 - 27.0)
    assert gap.low < gap.mean < gap.high


def test_one_crop_is_not_put_beside_many(tmp_path):
    made_run(tmp_path / "run", config_of("inception_v4/inception_v4.py"))
    found = compare(paper_table("inception-v4-table-4"), find_runs([tmp_path]), EXPERIMENTS)
    row = next(row for row in found.rows if row.line)
    assert not row.comparable
    assert row.gap is None


def test_a_run_of_another_network_is_named(tmp_path):
    made_run(tmp_path / "mine", config_of("bn_inception/bn_x5.py"))
    made_run(tmp_path / "other", config_of("googlenet/baseline.py"))
    with pytest.raises(RunError, match=r"other trains googlenet, which is no network of bn-figure-3 \(bn_inception\)"):
        compare(FIGURE_3, find_runs([tmp_path]), EXPERIMENTS)


def test_a_table_that_nothing_measures_is_named(tmp_path):
    made_run(tmp_path / "mine", config_of("bn_inception/bn_x5.py"))
    with pytest.raises(RunError, match="no experiment measures a row of googlenet-table-4"):
        compare(paper_table("googlenet-table-4"), find_runs([tmp_path]), EXPERIMENTS)


def test_experiments_are_what_their_files_say():
    assert BY_NAME["bn_inception/bn_x5.py"].title == "BN-x5"
    assert BY_NAME["inception_v3/low_resolution.py:side=79"].rows == ("R1",)
    assert BY_NAME["inception_v3/low_resolution.py:side=79"].label == "low_resolution:side=79"
