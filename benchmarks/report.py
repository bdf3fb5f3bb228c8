"""Makes docs/performance.md of the files in `benchmarks/results`: `python benchmarks/report.py`."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import input_report, summary, views
from benchmarks.contenders import CONTENDERS
from benchmarks.process import ROOT
from inception_jax.reporting.tables import render

PAGE = ROOT / "docs" / "performance.md"

INTRODUCTION = """\
# Performance

How fast the networks train and classify, beside the plain way of writing them and beside other libraries. This page
is made by `python benchmarks/report.py` from the files in `benchmarks/results`; no number on
it is typed by hand.

## How to read it

Every table is one run on one machine. Each contender is a process of its own that compiles, warms up and then waits.
Contenders take turns, round by round, so that what slows the machine for a while slows all of them, and one sleeps
while another is timed.

- **images/s** is the median over the rounds. A training step is forward, backward and the update with momentum; images
  arrive as bytes and are scaled on the way in. Nothing is read from disk.
- **against plain** is the ratio of speeds inside a round: the median, and the least and greatest of all rounds. Above
  1 is faster than `plain`. Differences smaller than that range are noise.
- **compile** is tracing and compiling, once a run.
- **memory at start** is the most that the process held until it was ready, which is mostly the compiler's; **memory in
  rounds** is the most that it held from then on.
- **parameters** shows where two contenders are not quite the same network.

The contenders:

{contenders}

## How to reproduce it

The command stands under each heading. It makes the environment of the other libraries, `.venv-peers`, the first time.
With `source .venv/bin/activate` behind you:

```console
$ python benchmarks/step.py --help
$ python benchmarks/report.py
```

Close what else runs on the machine: a result says how busy it was.
"""


def page(
    runs: Iterable[Mapping[str, Any]],
    views_runs: Iterable[Mapping[str, Any]] = (),
    input_runs: Iterable[Mapping[str, Any]] = (),
) -> str:
    """The whole page, in Markdown."""
    about = "\n".join(f"- `{name}`: {kind.about}." for name, kind in CONTENDERS.items())
    parts = [INTRODUCTION.format(contenders=about)]
    ordered = sorted(runs, key=lambda run: (*_subject(run), run["mode"] != "train"))
    for subject, group in itertools.groupby(ordered, _subject):
        network, image_size, batch, width, variant = subject
        narrow = "" if width == 1 else f", width {width:g}"
        parts.append(f"## {network}, {image_size} pixels, batch {batch}{narrow}\n\nVariant `{variant}`.\n")
        parts += [_section(run) for run in group]
    if measured := views.section(views_runs):
        parts.append(measured)
    if measured := input_report.section(input_runs):
        parts.append(measured)
    return "\n".join(parts)


def read(folder: Path) -> list[dict[str, Any]]:
    """Every run in `folder`."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _subject(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(run[name] for name in ("network", "image_size", "batch", "width", "variant"))


def _section(run: Mapping[str, Any]) -> str:
    rows, where = summary.rows(run), run["environment"]
    title = {"train": "Training", "infer": "Inference"}[run["mode"]]
    lines = [f"### {title}\n", f"```console\n$ {run['command']}\n```\n"]
    if rows:
        lines.append(render(rows, list(rows[0]), "markdown") + "\n")
    lines += [f"{sentence}.\n" for sentence in summary.missing(run)]
    measured = [entry for entry in run["contenders"] if "versions" in entry]
    versions = {name: version for entry in measured for name, version in entry["versions"].items()}
    idle = max((entry["idle_cpu_share"] for entry in measured), default=0.0)
    flags = f", XLA_FLAGS `{where['xla_flags']}`" if where["xla_flags"] else ""
    lines.append(
        f"{where['date']}, {where['cpu']}, {where['cores']} cores, {where['memory_bytes'] / 2**30:.0f} GiB, load "
        f"{where['load']} before it began{flags}. {run['rounds']} rounds; a waiting process used at most {idle:.1%} of "
        f"a core. Python {where['python']}, {', '.join(f'{name} {version}' for name, version in versions.items())}; "
        f"commit `{where['git_commit']}`.\n"
    )
    return "\n".join(lines)


def main() -> None:
    """Writes the page."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    results = ROOT / "benchmarks" / "results"
    PAGE.write_text(page(read(results), read(results / "views"), read(results / "input")))
    print(f"written to {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
