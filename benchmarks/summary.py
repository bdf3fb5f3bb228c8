"""What a run's rounds say: one row a contender, for the terminal and for docs/performance.md."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

BASELINE = "plain"


def rows(run: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the contenders that were measured.

    Rates are medians over the rounds. A ratio is formed inside each round, where both sides met the same machine; the
    row gives the median, least and greatest of them.
    """
    measured = {entry["name"]: entry for entry in run["contenders"] if "seconds_per_step" in entry}
    baseline = measured.get(BASELINE)
    return [
        {
            "contender": name,
            "images/s": rate(run["batch"] / statistics.median(entry["seconds_per_step"])),
            f"against {BASELINE}": _ratio(entry, baseline),
            "compile": "none" if entry["compile_seconds"] is None else f"{entry['compile_seconds']:.0f} s",
            "memory at start": f"{entry['start_peak_bytes'] / 2**30:.2f} GiB",
            "memory in rounds": f"{entry['round_peak_bytes'] / 2**30:.2f} GiB",
            "parameters": f"{entry['parameters']:,}",
        }
        for name, entry in measured.items()
    ]


def rate(images_per_second: float) -> str:
    """To three digits: `1.62`, `310`, `1,550`."""
    digits = 2 - math.floor(math.log10(images_per_second))
    return f"{round(images_per_second, digits):,.{max(digits, 0)}f}"


def missing(run: Mapping[str, Any]) -> list[str]:
    """A sentence for each contender that was not measured."""
    return [
        f"{entry['name']} failed: {entry['failed']}"
        if "failed" in entry
        else f"{entry['name']} takes no part: {entry['absent']}"
        for entry in run["contenders"]
        if "seconds_per_step" not in entry
    ]


def _ratio(entry: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> str:
    if baseline is None or entry is baseline:
        return "" if baseline is None else "1"
    pairs = zip(baseline["seconds_per_step"], entry["seconds_per_step"], strict=True)
    ratios = [theirs / own for theirs, own in pairs]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
