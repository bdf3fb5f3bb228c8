"""The tables of a report as numbers, for CSV files that somebody goes on from."""

from __future__ import annotations

from typing import Any

from inception_jax.reporting.reproduction.comparison import Comparison, Row
from inception_jax.reporting.reproduction.statistics import Estimate
from inception_jax.reporting.reproduction.tables import Links

Records = list[dict[str, Any]]


def results(comparison: Comparison) -> Records:
    """A row of the table each: errors in per cent, differences in points, intervals of 95 % as `low` and `high`."""
    return [_result(comparison, row) for row in comparison.rows]


def _result(comparison: Comparison, row: Row) -> dict[str, Any]:
    printed, line = row.printed, row.line
    experiment = line.experiment if line else next(iter(row.experiments), None)
    measured = line if row.comparable else None
    return {
        "row": printed and printed.id,
        "model": printed and printed.model,
        "variant": printed and printed.variant,
        "crops": printed and printed.crops,
        "experiment": experiment and experiment.name,
        "scale": (line.scale or "full") if line else None,
        "changes": "; ".join(f"{name}={now}" for name, (_, now) in line.changes.items()) if line else None,
        "paper_top1": printed and printed.top1_error,
        "paper_top5": printed and printed.top5_error,
        "runs": len(line.runs) if line else 0,
        "counted": len(line.counted) if line else 0,
        **_estimate("top1", measured and measured.top1),
        **_estimate("top5", measured and measured.top5),
        **_estimate("minus_paper", row.gap),
        **_estimate("change", comparison.change(measured) if measured else None),
    }


def _estimate(name: str, found: Estimate | None) -> dict[str, float | None]:
    values = (found.mean, found.deviation, found.low, found.high) if found else (None,) * 4
    ends = ("", "_sd", "_low", "_high")
    return {
        f"{name}{end}": value if value is None else round(value, 6) for end, value in zip(ends, values, strict=True)
    }


def runs(comparison: Comparison, links: Links) -> Records:
    """Every run; `marks` is empty where it counts."""
    found = []
    for line in comparison.lines:
        for marked in line.runs:
            run = marked.run
            seed, data_seed = run.seed
            found.append(
                {
                    "run": run.path.name,
                    "config": links("", run.path / "config.json").target,
                    "experiment": line.experiment.name,
                    "scale": line.scale or "full",
                    "changes": "; ".join(f"{name}={now}" for name, (_, now) in line.changes.items()),
                    "seed": seed,
                    "data_seed": data_seed if data_seed >= 0 else None,
                    "status": run.status,
                    "marks": "; ".join(marked.marks),
                    "notes": "; ".join(marked.notes),
                    "steps": run.last_step,
                    "total_steps": run.total_steps,
                    "batch_size": run.config.batch_size,
                    "last_top1_error": round(run.error(False), 6),
                    "best_top1_error": round(run.error(True), 6),
                    "last_top5_error": round(run.error(False, "top5"), 6),
                    "seconds": run.seconds and round(run.seconds, 3),
                    "images_per_second": run.images_per_second and round(run.images_per_second, 3),
                    "multiply_adds": comparison.costs.get((line.label, line.scale)),
                    "device": run.device or None,
                    "git_commit": run.environment.get("git_commit"),
                }
            )
    return found
