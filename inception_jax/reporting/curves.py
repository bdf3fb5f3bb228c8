"""Learning curves of one run, drawn from its `metrics.jsonl`."""

import math
import os
import statistics
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from inception_jax.reporting.writers import METRICS_FILE, read_metrics

CURVES_FILE = "learning_curves.png"

# Okabe and Ito's blue and vermilion stay apart for colour-blind readers; marks and dashes keep them apart in grey.
STYLES: dict[str, Any] = {
    "train/loss": {"label": "training", "color": "#0072B2", "linewidth": 1.2},
    "validation/loss": {"label": "validation", "color": "#D55E00", "linewidth": 1.8, "marker": "o"},
    "train/top1": {"label": "training top-1", "color": "#0072B2", "linewidth": 1.2},
    "train/top5": {"label": "training top-5", "color": "#0072B2", "linewidth": 1.2, "linestyle": "--"},
    "validation/top1": {"label": "validation top-1", "color": "#D55E00", "linewidth": 1.8, "marker": "o"},
    "validation/top5": {
        "label": "validation top-5",
        "color": "#D55E00",
        "linewidth": 1.8,
        "linestyle": "--",
        "marker": "s",
    },
    "train/learning_rate": {"label": "learning rate", "color": "#444444", "linewidth": 1.5},
}


def plot_run(workdir: str | os.PathLike[str]) -> Path:
    """Draws loss, accuracy and learning rate over updates to `workdir/learning_curves.png`.

    Returns:
      The figure's path. It is replaced whole or not at all.

    Raises:
      OSError: where `metrics.jsonl` cannot be read or the figure cannot be written.
      ValueError: where `metrics.jsonl` holds nothing to draw.
    """
    workdir = Path(workdir)
    rows = read_metrics(workdir / METRICS_FILE)
    if not any(name in row for row in rows for name in STYLES):
        raise ValueError(f"{workdir / METRICS_FILE} holds none of {', '.join(STYLES)}: nothing to draw")
    path = workdir / CURVES_FILE
    partial = path.with_name(f".{path.name}.partial")
    try:
        _figure(rows, workdir.resolve().name).savefig(partial, format="png", dpi=150)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _figure(rows: list[dict[str, Any]], title: str) -> Figure:
    figure = Figure(figsize=(7, 8), layout="constrained")  # not pyplot: no global state, no window
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    figure.suptitle(title, fontweight="bold")

    _draw(loss, rows, "train/loss", "validation/loss")
    loss.set_ylabel("loss (nats)")

    _draw(accuracy, rows, "train/top1", "validation/top1", "train/top5", "validation/top5", scale=100)
    accuracy.set_ylabel("accuracy (%)")
    accuracy.set_ylim(top=101)
    steps, top1 = _series(rows, "validation/top1")
    if steps:
        best = max(range(len(top1)), key=lambda i: -1 if math.isnan(top1[i]) else top1[i])
        accuracy.set_title(
            f"validation top-1: last {top1[-1]:.2%}, best {top1[best]:.2%} at step {steps[best]:,}",
            fontsize="medium",
            loc="left",
        )

    _draw(rate, rows, "train/learning_rate")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("step (updates)")
    rate.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    rate.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    positive = [value for value in _series(rows, "train/learning_rate")[1] if value > 0]
    # A cosine that ends near zero reads best as it is; a decay that spends half its time far down does not.
    if positive and max(positive) > 5 * statistics.median(positive):
        rate.set_yscale("log", nonpositive="mask")
    figure.align_ylabels()
    return figure


def _draw(axes: Axes, rows: list[dict[str, Any]], *names: str, scale: float = 1) -> None:
    drawn = 0
    for name in names:
        steps, values = _series(rows, name)
        if steps:
            style: Any = STYLES[name] if len(steps) > 1 else {"marker": "o"} | STYLES[name]
            axes.plot(steps, [value * scale for value in values], markersize=4, **style)
            drawn += 1
    if drawn > 1:
        axes.legend(frameon=False, ncols=drawn // 2, fontsize="small")
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _series(rows: list[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one metric; what was not finite is NaN, and a gap in the line."""
    found = [(row["step"], row[name]) for row in rows if name in row]
    return [step for step, _ in found], [math.nan if value is None else float(value) for _, value in found]
