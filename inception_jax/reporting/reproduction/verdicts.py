"""Whether runs bear out what a paper claims: supported, contradicted, or undecided at this scale."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from inception_jax.reporting.reproduction.comparison import Comparison, Line
from inception_jax.reporting.reproduction.papers import Claim
from inception_jax.reporting.reproduction.statistics import Estimate, difference

Word = Literal["supported", "contradicted", "undecided at this scale"]
_UNDECIDED: Word = "undecided at this scale"


@dataclass(frozen=True)
class Verdict:
    """A claim at one scale.

    Attributes:
      claim: the paper's.
      scale: of the runs, such as `mini`; empty: as in the paper.
      word: the verdict.
      reason: the numbers that it follows from, in one sentence.
    """

    claim: Claim
    scale: str
    word: Word
    reason: str


def verdicts(comparison: Comparison) -> list[Verdict]:
    """Every claim of the table at every scale that was run."""
    return [
        _verdict(comparison, claim, scale) for scale in comparison.scales or [""] for claim in comparison.table.claims
    ]


def _verdict(comparison: Comparison, claim: Claim, scale: str) -> Verdict:
    names = dict.fromkeys(filter(None, (claim.of, claim.than, claim.target)))
    lines = {name: comparison.line(name, scale) for name in names}
    if absent := [name for name, line in lines.items() if line is None]:
        return Verdict(claim, scale, _UNDECIDED, f"not run: {', '.join(absent)}")
    of, *others = (line for line in lines.values() if line)
    if claim.kind in _ALONE:
        return Verdict(claim, scale, *_ALONE[claim.kind](of))
    if missing := [line.label for line in (of, *others) if not line.counted]:
        return Verdict(claim, scale, _UNDECIDED, f"no complete run of {', '.join(missing)}")
    than = others[0]
    match claim.kind:
        case "lower_error":
            found = _lower_error(of, than, 0.0)
        case "not_worse":
            found = _not_worse(of, than, claim.margin)
        case "cheaper":
            found = _cheaper(comparison, of, than, claim.margin)
        case "never_reaches":
            found = _never_reaches(of, than)
        case _:
            found = _fewer_steps(of, than, others[-1], claim.factor)
    word, reason = found
    costs = [_cost(comparison, line) for line in (of, than)]
    if claim.kind != "cheaper" and all(costs) and costs[0] != costs[1]:
        reason += f"; multiply-adds: {costs[0]:,} against {costs[1]:,}"
    return Verdict(claim, scale, word, reason)


def _cost(comparison: Comparison, line: Line) -> int | None:
    """Multiply-adds of an image, where they are known."""
    return comparison.costs.get((line.label, line.scale))


def _decided(gap: Estimate, margin: float, by_low: Word, by_high: Word) -> Word:
    """`by_low` where the whole interval lies below `margin`, `by_high` where it lies above."""
    if gap.high < margin:
        return by_low
    return by_high if gap.low > margin else _UNDECIDED


def points(gap: Estimate) -> str:
    """`-1.20 points (95 %: -1.60 to -0.80)`."""
    interval = f" (95 %: {gap.low:+.2f} to {gap.high:+.2f})" if gap.known else ", of one run: no interval"
    return f"{gap.mean:+.2f} points{interval}"


def _lower_error(of: Line, than: Line, margin: float) -> tuple[Word, str]:
    gap = difference(of.errors, than.errors)
    word = _decided(gap, margin, "supported", "contradicted")
    return word, f"top-1 error of {of.label} minus {than.label}: {points(gap)}; {_seeds(of, than)}"


def _not_worse(of: Line, than: Line, margin: float) -> tuple[Word, str]:
    word, reason = _lower_error(of, than, margin)
    return word, f"{reason}; up to {margin:g} points count as none"


def _cheaper(comparison: Comparison, of: Line, than: Line, margin: float) -> tuple[Word, str]:
    low, high = (_cost(comparison, line) for line in (of, than))
    word, reason = _not_worse(of, than, margin)
    if not low or not high:
        return _UNDECIDED, f"the multiply-adds are unknown; {reason}"
    if low >= high:
        word = "contradicted"
    ratio = f"{high / low:.2f} times fewer multiply-adds ({low:,} against {high:,})"
    goal = min(goal_of(of), goal_of(than))
    whole = high * _images_to(than, goal) / (low * _images_to(of, goal))
    return word, f"{ratio}, {whole:.2f} times fewer in all until {goal:.2%}, which every run reaches; {reason}"


def _images_to(line: Line, goal: float) -> float:
    """Images to an accuracy that every run reaches, in the mean."""
    return statistics.fmean(steps[1] * run.config.batch_size for run in line.counted if (steps := run.steps_to(goal)))


def _fewer_steps(of: Line, than: Line, target: Line, factor: float) -> tuple[Word, str]:
    """Steps are known between two validations only: the verdict has to hold at the ends that speak most against it."""
    goal = goal_of(target)
    reached = [[run.steps_to(goal) for run in line.counted] for line in (of, than)]
    first, second = ([steps for steps in found if steps] for found in reached)
    aim = f"{goal:.2%}, which every run of {target.label} reaches"
    counts = (
        f"{len(first)} of {len(reached[0])} runs of {of.label} and {len(second)} of {len(reached[1])} of {than.label}"
    )
    if not first:
        return ("contradicted" if second else _UNDECIDED), f"{counts} reach {aim}"
    if not second:
        word = "supported" if len(first) == len(reached[0]) and len(reached[1]) > 1 else _UNDECIDED
        return word, f"{counts} reach {aim}"
    if len(first) < len(reached[0]) or len(second) < len(reached[1]):
        return _UNDECIDED, f"only {counts} reach {aim}"
    gap = _log_gap(first, second)
    word = _decided(gap, -math.log(factor), "supported", "contradicted")
    steps = " against ".join(f"{sum(s for _, s in found) / len(found):,.0f}" for found in (first, second))
    return word, f"{steps} steps to {aim}: {math.exp(-gap.mean):.2f} times fewer{_range(gap)}; {_seeds(of, than)}"


def _log_gap(first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]]) -> Estimate:
    """Logarithm of the steps of `first` minus that of `second`; each end is that of the steps that put it farthest out.

    The mean is that of the validations. A run that is there at its first validation may have been there at any time.
    """

    def gap(a: int, b: int) -> Estimate:
        return difference([math.log(steps[a]) for steps in first], [math.log(steps[b]) for steps in second])

    middle = gap(1, 1)
    low = gap(0, 1).low if all(before for before, _ in first) else -math.inf
    high = gap(1, 0).high if all(before for before, _ in second) else math.inf
    return Estimate(middle.mean, middle.deviation, low, high, middle.count)


def _range(gap: Estimate) -> str:
    """Of how many times fewer the steps are."""
    if gap.count < 2:
        return ", of one run"
    low, high = (f"{math.exp(-end):.2f}" if math.isfinite(end) else "" for end in (gap.high, gap.low))
    if low and high:
        return f" (95 %: {low} to {high})"
    return f" (95 %: at least {low})" if low else f" (95 %: at most {high})" if high else " (any number is possible)"


def goal_of(line: Line) -> float:
    """The best accuracy that every run of a line has."""
    return min(max(top1 for _, top1 in run.accuracy) for run in line.counted)


def _never_reaches(of: Line, than: Line) -> tuple[Word, str]:
    goal = goal_of(than)
    count = sum(run.steps_to(goal) is not None for run in of.counted)
    reason = f"{count} of {len(of.counted)} runs of {of.label} reach {goal:.2%}, the best of {than.label}"
    return _all_or_none(len(of.counted) - count, len(of.counted)), reason


def _all_or_none(count: int, of: int) -> Word:
    """One run decides nothing."""
    if of < 2 or 0 < count < of:
        return _UNDECIDED
    return "supported" if count else "contradicted"


def _ended(line: Line) -> list[tuple[bool, bool]]:
    """(diverged, at chance) of every run that ended, one a seed."""
    by_seed: dict[tuple[int, int], tuple[bool, bool]] = {}
    for run in (marked.run for marked in line.runs):
        if run.status == "diverged":
            by_seed.setdefault(run.seed, (True, False))
        elif run.status == "complete" and run.chance:
            # Half as much again: chance itself is met from both sides, and a network that learns leaves it far behind.
            by_seed.setdefault(run.seed, (False, max(top1 for _, top1 in run.accuracy) < 1.5 * run.chance))
    return list(by_seed.values())


def _alone(line: Line, wanted: Callable[[bool, bool], bool]) -> tuple[Word, str]:
    ended = _ended(line)
    diverged, chance = (sum(values) for values in zip(*ended, strict=True)) if ended else (0, 0)
    reason = f"of {len(ended)} runs of {line.label} that ended, {diverged} diverged and {chance} stayed at chance"
    if errors := line.errors:
        reason += f"; the lowest error is {min(errors):.2f} %"
    return _all_or_none(sum(wanted(*end) for end in ended), len(ended)), reason


def _seeds(*lines: Line) -> str:
    return "seeds: " + " and ".join(f"{len(line.counted)}" for line in lines)


_ALONE: dict[str, Callable[[Line], tuple[Word, str]]] = {
    "diverges": lambda line: _alone(line, lambda diverged, chance: diverged),
    "at_chance": lambda line: _alone(line, lambda diverged, chance: chance),
    "above_chance": lambda line: _alone(line, lambda diverged, chance: not diverged and not chance),
    "fails": lambda line: _alone(line, lambda diverged, chance: diverged or chance),
}
