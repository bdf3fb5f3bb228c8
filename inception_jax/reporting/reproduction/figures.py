"""Curves of a report as SVG that goes into a page and takes its colours from there."""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from inception_jax.reporting.reproduction.comparison import Comparison, Line
from inception_jax.reporting.reproduction.runs import Run

SERIES = 8
"""Colours of the page; beyond them dashes tell lines apart."""
_DASHES = ("-", "--", ":", "-.")
# Stand-ins for what the page's style sheet defines, in light and in dark: no colour that a figure would use.
_INK, _FAINT = "#010101", "#020202"
_COLOURS = tuple(f"#0303{i:02x}" for i in range(SERIES))
_POINTS = 200
Points = list[tuple[float, float]]


def figures(comparison: Comparison) -> dict[str, str]:
    """SVG by title; a figure without anything to draw is left out. Narrow, so that a phone shows it as it is."""
    drawn = {}
    for what, name, scale, unit in (
        ("Validation top-1", "validation/top1", 100, "top-1 (%)"),
        ("Training loss", "train/loss", 1, "loss (nats)"),
    ):
        for over, across in (("steps", "steps (updates)"), ("images", "training images")):
            curve = partial(_curve, name=name, scale=scale, images=over == "images")
            drawn[f"{what} over {over}"] = _figure(comparison, f"{what} over {over}", curve, across, unit)
    title = "Steps to an accuracy"
    drawn[title] = _figure(comparison, title, _steps_to, "top-1 (%)", "steps (updates)", steps=True)
    return {title: svg for title, svg in drawn.items() if svg}


def style_of(place: int) -> tuple[int, str]:
    """Number of the colour and dash of the line at that place."""
    return place % SERIES, _DASHES[place // SERIES % len(_DASHES)]


def _curve(run: Run, name: str, scale: int, images: bool) -> Points:
    place = run.config.batch_size if images else 1
    return [(step * place, scale * value) for step, value in run.series(name)]


def _steps_to(run: Run) -> Points:
    """(accuracy in per cent, first validation that has it)."""
    points, best = [], 0.0
    for step, top1 in run.accuracy:
        if top1 > best:
            best = top1
            points.append((100 * top1, step))
    return points


def _figure(
    comparison: Comparison,
    title: str,
    curve: Callable[[Run], Points],
    across: str,
    up: str,
    *,
    steps: bool = False,
) -> str | None:
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": title,
            "font.family": "sans-serif",
            "font.size": 10,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "axes.edgecolor": _FAINT,
            "xtick.color": _FAINT,
            "ytick.color": _FAINT,
            "xtick.labelcolor": _INK,
            "ytick.labelcolor": _INK,
        }
    ):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.subplots()
        count = sum(_draw(axes, line, place, curve, steps) for place, line in enumerate(comparison.lines))
        if not count:
            return None
        axes.set(xlabel=across, ylabel=up)
        axes.grid(color=_FAINT, linewidth=0.4, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=not steps))
        axes.xaxis.set_major_formatter(FuncFormatter(_short))
        if steps:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axes.yaxis.set_major_formatter(FuncFormatter(_short))
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_a_page(out.getvalue(), title)


def _draw(axes: Axes, line: Line, place: int, curve: Callable[[Run], Points], steps: bool) -> bool:
    """Every run thin, the mean of those that count thick; a run that does not count is dotted."""
    number, dash = style_of(place)
    colour: Any = _COLOURS[number]
    for marked in line.runs:
        points = _thinned(curve(marked.run))
        if points:
            style = ":" if marked.marks else dash
            alone = steps or len(line.counted) < 2
            axes.plot(
                *zip(*points, strict=True),
                style,
                color=colour,
                linewidth=1.4 if alone else 0.6,
                alpha=1 if alone else 0.6,
            )
            if len(points) == 1:
                axes.plot(*points[0], marker="o", markersize=3, color=colour)
    counted = [dict(curve(run)) for run in line.counted]
    if len(counted) > 1 and not steps:
        common = sorted(set.intersection(*(set(points) for points in counted)))
        mean = _thinned([(x, statistics.fmean(points[x] for points in counted)) for x in common])
        if mean:
            axes.plot(*zip(*mean, strict=True), dash, color=colour, linewidth=2)
    return any(curve(marked.run) for marked in line.runs)


def _thinned(points: Points) -> Points:
    """Few enough for a page of moderate size, with the last."""
    stride = -(-len(points) // _POINTS)
    return points[::stride] + points[-1:] if stride > 1 else points


def _short(value: float, _: object) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _for_a_page(svg: str, title: str) -> str:
    """The element alone, with the page's colours and a title for those who do not see it."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    names = [(_INK, "var(--ink)"), (_FAINT, "var(--faint)")]
    names += [(colour, f"var(--series-{i})") for i, colour in enumerate(_COLOURS)]
    for colour, variable in names:
        svg = svg.replace(colour, variable)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    # matplotlib numbers groups alike in every figure, and names are unique in a page.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
