import pytest

from inception_jax.reporting.reproduction.comparison import Comparison, compare
from inception_jax.reporting.reproduction.papers import paper_table
from inception_jax.reporting.reproduction.runs import find_runs
from inception_jax.reporting.reproduction.verdicts import verdicts
from tests.reporting.reproduction.made_runs import EXPERIMENTS, config_of, made_run

UNDECIDED = "undecided at this scale"


def compared(folder, table="bn-figure-3", costs=None) -> Comparison:
    runs = find_runs([folder])
    by_path = {run.path: costs[run.path.parent.name] for run in runs} if costs else None
    return compare(paper_table(table), runs, EXPERIMENTS, by_path)


def verdict(comparison: Comparison, start: str):
    (found,) = [found for found in verdicts(comparison) if found.claim.says.startswith(start)]
    return found


def seeds(folder, name, errors, **kwargs):
    for seed, error in enumerate(errors):
        made_run(
            folder / name.rpartition("/")[2].removesuffix(".py") / str(seed),
            config_of(name, seed=seed),
            error,
            **kwargs,
        )


BETTER = "BN-x30 ends with a higher accuracy"
X5, X30 = "bn_inception/bn_x5.py", "bn_inception/bn_x30.py"


@pytest.mark.parametrize(
    ("x5", "x30", "word"),
    [
        ((0.20, 0.21, 0.22), (0.10, 0.11, 0.12), "supported"),
        ((0.10, 0.11, 0.12), (0.20, 0.21, 0.22), "contradicted"),
        ((0.10, 0.15, 0.20), (0.11, 0.16, 0.21), UNDECIDED),
        ((0.20,), (0.10,), UNDECIDED),
    ],
)
def test_an_error_is_lower_where_the_whole_interval_is(tmp_path, x5, x30, word):
    seeds(tmp_path, X5, x5, halfway=100, steps=3750)
    seeds(tmp_path, X30, x30, halfway=100, steps=3750)
    found = verdict(compared(tmp_path), BETTER)
    assert found.word == word
    # Tuples of three: their means differ by 100 times the difference of the second.
    gap = 100 * (x30[len(x30) // 2] - x5[len(x5) // 2])
    assert f"bn_x30 minus bn_x5: {gap:+.2f} points" in found.reason
    assert f"seeds: {len(x30)} and {len(x5)}" in found.reason


FEWER = "With batch norm, a rate five times larger"
PLAIN = "bn_inception/inception.py"


@pytest.mark.parametrize(("halfway", "word"), [(200, "supported"), (600, UNDECIDED), (2400, "contradicted")])
def test_fewer_steps_are_fewer_beyond_what_lies_between_validations(tmp_path, halfway, word):
    # 60 % are reached after 1.2 times `halfway`; validations are 117 updates apart.
    seeds(tmp_path, PLAIN, (0.4, 0.4, 0.4), halfway=300, steps=3750)
    seeds(tmp_path, "bn_inception/bn_baseline.py", (0.02, 0.021, 0.022), halfway=600, steps=3750)
    seeds(tmp_path, X5, (0.02, 0.021, 0.022), halfway=halfway, steps=3750)
    found = verdict(compared(tmp_path), "BN-x5 needs fewer steps")
    assert found.word == word
    assert "which every run of inception reaches" in found.reason


@pytest.mark.parametrize("halfways", [(10, 10, 10), (10, 10, 150), (150, 150, 150)])
def test_a_run_that_is_there_at_its_first_validation_is_no_later_for_it(tmp_path, halfways):
    """When in between is unknown, but it is not later: those that come earlier do not undo a verdict."""
    seeds(tmp_path, PLAIN, (0.4, 0.4, 0.4), halfway=1000, steps=3750)
    for seed, halfway in enumerate(halfways):
        made_run(tmp_path / f"x5_{seed}", config_of(X5, seed=seed), 0.02, halfway=halfway, steps=3750)
    found = verdict(compared(tmp_path), FEWER)
    assert found.word == "supported"
    assert ("(95 %: at least " in found.reason) == (10 in halfways)


def test_where_the_others_are_there_at_the_first_validation_nothing_is_fewer(tmp_path):
    seeds(tmp_path, PLAIN, (0.4, 0.4, 0.4), every=3750, steps=3750)
    seeds(tmp_path, X5, (0.02, 0.021, 0.022), every=3750, steps=3750)
    found = verdict(compared(tmp_path), FEWER)
    assert (found.word, "any number is possible" in found.reason) == (UNDECIDED, True)


def test_steps_that_are_never_enough_contradict(tmp_path):
    seeds(tmp_path, PLAIN, (0.2, 0.2, 0.2), steps=3750)
    seeds(tmp_path, X5, (0.4, 0.4, 0.4), steps=3750)
    found = verdict(compared(tmp_path), FEWER)
    assert (found.word, found.reason[:13]) == ("contradicted", "0 of 3 runs o")


def test_less_than_half_the_steps_is_more_than_fewer(tmp_path):
    seeds(tmp_path, PLAIN, (0.2, 0.2, 0.2), halfway=300, every=10, steps=3750)
    seeds(tmp_path, X5, (0.199, 0.199, 0.199), halfway=280, every=10, steps=3750)
    seeds(tmp_path, "bn_inception/bn_baseline.py", (0.199, 0.199, 0.199), halfway=280, every=10, steps=3750)
    found = compared(tmp_path)
    assert verdict(found, FEWER).word == "supported"
    assert verdict(found, "Batch norm alone reaches").word == "contradicted"


@pytest.mark.parametrize(
    ("diverged", "word"),
    [((300, 400), "supported"), ((0, 0), "contradicted"), ((300, 0), UNDECIDED), ((300,), UNDECIDED)],
)
def test_divergence_is_that_of_all_runs(tmp_path, diverged, word):
    for seed, at in enumerate(diverged):
        config = config_of("bn_inception/inception_x5.py", seed=seed)
        made_run(tmp_path / str(seed), config, diverged=at, steps=3750)
    found = verdict(compared(tmp_path), "Without batch norm, a rate five times larger")
    assert found.word == word
    assert f"of {len(diverged)} runs of inception_x5 that ended, {sum(map(bool, diverged))} diverged" in found.reason


@pytest.mark.parametrize(("error", "word"), [(0.9, "supported"), (0.3, "contradicted")])
def test_chance_is_one_in_ten_of_ten_classes(tmp_path, error, word):
    seeds(tmp_path, "bn_inception/inception_sigmoid.py", (error, error), steps=3750)
    assert verdict(compared(tmp_path), "Without batch norm, a network of sigmoids").word == word


CHEAPER = "googlenet/baseline.py", "googlenet/naive.py"


@pytest.mark.parametrize(
    ("costs", "errors", "word"),
    [
        ((10, 80), (0.2, 0.2), "supported"),
        ((80, 10), (0.2, 0.2), "contradicted"),
        ((10, 80), (0.3, 0.2), "contradicted"),
        ((10, 80), (0.21, 0.2), UNDECIDED),
    ],
)
def test_cheaper_is_cheaper_at_an_error_that_is_hardly_higher(tmp_path, costs, errors, word):
    for name, error in zip(CHEAPER, errors, strict=True):
        seeds(tmp_path, name, (error - 0.002, error, error + 0.002), halfway=100, steps=3750)
    found = compared(tmp_path, "googlenet-figure-2", {"baseline": costs[0], "naive": costs[1]})
    reductions = verdict(found, "Reductions by 1x1")
    assert reductions.word == word
    assert "times fewer in all until" in reductions.reason
    unknown = compared(tmp_path, "googlenet-figure-2")
    assert verdict(unknown, "Reductions by 1x1").word == UNDECIDED


def test_cost_at_equal_accuracy_is_that_of_all_images_until_there(tmp_path):
    for name, halfway in zip(CHEAPER, (400, 100), strict=True):
        seeds(tmp_path, name, (0.2, 0.2), halfway=halfway, every=100, steps=3750)
    found = compared(tmp_path, "googlenet-figure-2", {"baseline": 10, "naive": 80})
    runs = [
        next(run for line in found.lines if line.experiment.name == name for run in line.counted) for name in CHEAPER
    ]
    goal = min(max(top1 for _, top1 in run.accuracy) for run in runs)
    slow, fast = (next(step for step, top1 in run.accuracy if top1 >= goal) for run in runs)
    assert slow > 3 * fast
    reason = verdict(found, "Reductions by 1x1").reason
    assert f"8.00 times fewer multiply-adds (10 against 80), {8 * fast / slow:.2f} times fewer in all until" in reason


def test_unequal_costs_are_said_where_rows_are_compared(tmp_path):
    for name in (X5, X30):
        seeds(tmp_path, name, (0.2, 0.2), steps=3750)
    assert (
        "multiply-adds: 1,000 against 2,000"
        in verdict(compared(tmp_path, costs={"bn_x30": 1000, "bn_x5": 2000}), BETTER).reason
    )
    assert "multiply-adds" not in verdict(compared(tmp_path, costs={"bn_x30": 1000, "bn_x5": 1000}), BETTER).reason


def test_what_was_not_run_is_said(tmp_path):
    seeds(tmp_path, X5, (0.2, 0.2), share=0.5, steps=3750)
    seeds(tmp_path, X30, (0.2, 0.2), steps=3750)
    found = compared(tmp_path)
    assert verdict(found, BETTER).reason == "no complete run of bn_x5"
    assert verdict(found, FEWER).reason == "not run: bn_inception/inception.py"
