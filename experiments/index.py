"""Writes experiments/README.md from the experiments, what was published and what was measured: `make docs`."""

from __future__ import annotations

import csv
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from inception_jax.reporting.published import Published, published
from inception_jax.reporting.tables import render

FOLDER = Path(__file__).parent
MEASURED = FOLDER / "measured.csv"
COMPILED = FOLDER.parent / "docs" / "compiled"
SCALES = ("mini", "full")
COLUMNS = ("experiment", "what", "published", "crops", "top-1", "top-5", *SCALES, "cost")

INTRODUCTION = """# Experiments

Generated from the files of this folder by `make docs`.

Every row of the papers' tables is a file that derives from the row before it: the difference is the ablation. Its
docstring is the run-book, and `inception-jax explain` prints where each value comes from.

```console
$ inception-jax explain --config=experiments/bn_inception/bn_x5.py
$ inception-jax train --config=experiments/bn_inception/bn_x5.py --workdir=runs/bn_x5
$ inception-jax train --config=experiments/bn_inception/bn_x5.py:mini --workdir=runs/bn_x5_mini
```

Arguments stand behind the file, with commas between them:

- `mini`: the miniature, minutes on two CPU cores, on TFDS's Fashion-MNIST; `mini=cifar10` on another data set of small
  images. Narrow, on small images, two epochs in which every schedule and average keeps its share of the whole. Rates,
  momenta, losses, dropout, crops and options of the network are kept: what makes the row.
- `tiny`: two steps on digits with the network's first module, to see that an experiment runs.
- `epochs=30`: another length, likewise in proportion; `mini,epochs=6` is a longer miniature.
- `batch=1024`: the batch rule. The rate grows in proportion to the batch, epochs and schedules stay, averages reach
  back over as many images, and batch statistics stay those of 32 images. The papers' workers had 32 images each;
  Inception-v2 and -v3 had 50 of them, so that their batch here is 1600, and Inception-v4 had 20. GoogLeNet and
  BN-Inception were trained asynchronously, an update for every 32 images: so is their batch here.
- Those of the file, as `member=3` of an ensemble.

`--config.batch_size` changes the batch alone, without the rule.
"""

TABLE = """## Rows

Errors in per cent, as printed, on the validation split of ILSVRC-2012 unless a row says "test set": over 48,238 images
in Rethinking and in single crops of Inception-v4, over 50,000 in the others. Which were read in the paper, and which
as somebody quotes them, is in [published_results.csv](../inception_jax/reporting/published_results.csv). `mini` and
`full` are measured top-1 errors of the miniature, at the length and size of
[reproductions/](reproductions/__main__.py), and of the whole, as mean and standard deviation over seeds. `cost`
is the time that the TPU compiler estimates for a whole run ([docs/scaling.md](../docs/scaling.md)), with the argument
that it was compiled for. Empty: not printed, not run, or not compiled.
"""


def main() -> None:
    """Writes the page beside this file."""
    FOLDER.joinpath("README.md").write_text(page())


def page() -> str:
    """The whole page, in Markdown."""
    parts = [INTRODUCTION, TABLE]
    for name in ("googlenet", "bn_inception", "inception_v3", "inception_v4", "distbelief", "quickstart"):
        title = inspect.getdoc(importlib.import_module(f"experiments.{name}"))
        assert title
        rows = [row for path in sorted(FOLDER.joinpath(name).glob("*.py"), key=_place) for row in _rows(path)]
        parts += [f"### {name}\n\n{title}\n", render(rows, COLUMNS, "markdown") + "\n"]
    return "\n".join(parts)


def _place(path: Path) -> tuple[int, str]:
    """In the order of the published rows; what has none comes last."""
    first = min((ids for ids in getattr(_module(path), "ROWS", {}).values() if ids), default=("",))[0]
    order = list(published())
    return order.index(first) if first else len(order), path.name


def _module(path: Path) -> Any:
    return importlib.import_module(f"experiments.{path.parent.name}.{path.stem}")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """A line for every published row of the experiment, the first of which names it."""
    module = _module(path)
    if not hasattr(module, "get_config"):
        return
    by_rows: dict[tuple[str, ...], list[str]] = {}
    for argument, ids in getattr(module, "ROWS", {"": ()}).items():
        by_rows.setdefault(tuple(ids), []).append(argument)
    for ids, arguments in by_rows.items():
        name = f"{path.parent.name}/{path.name}"
        line: dict[str, Any] = {
            "experiment": f"[{path.name}]({name}){_shown(arguments)}",
            "what": _title(module),
            **_measured(name, arguments),
        }
        for row in [published()[row_id] for row_id in ids] or [None]:
            yield line | _printed(row)
            line = {}


def _shown(arguments: list[str]) -> str:
    if arguments == [""]:
        return ""
    values = ", ".join(argument.partition("=")[2] for argument in arguments)
    return f"<br>`:{arguments[0].partition('=')[0]}=` {values}"


def _title(module: Any) -> str:
    """The first words of the docstring, up to the paper's number."""
    first = (inspect.getdoc(module) or "").splitlines()[0]
    return re.split(r" \(|[:;.](?: |$)", first.removeprefix("... "))[0]


def _printed(row: Published | None) -> dict[str, Any]:
    if row is None:
        return {}
    test = "test set" if row.split.startswith("test") else ""
    return {
        "published": ", ".join(filter(None, (row.source, row.variant, test, row.steps))),
        "crops": row.crops,
        "top-1": _as_printed(row.top1_error),
        "top-5": _as_printed(row.top5_error),
    }


def _as_printed(error: float | None) -> str | None:
    """One decimal at least."""
    return error if error is None else f"{error:.2f}".removesuffix("0")


def _measured(name: str, arguments: list[str]) -> dict[str, str]:
    """Cells of `measured.csv`, where there is one (experiment, scale: mini or full, result), and the cost."""
    wanted = {f"{name}:{argument}" if argument else name for argument in arguments}
    found: list[dict[str, str]] = []
    if MEASURED.exists():
        with MEASURED.open() as file:
            found = [row for row in csv.DictReader(file) if row["experiment"] in wanted]
    cells = {scale: "<br>".join(_result(row, arguments) for row in found if row["scale"] == scale) for scale in SCALES}
    return cells | {"cost": _costs().get(name, "") if arguments == [""] else ""}


def _result(row: dict[str, str], arguments: list[str]) -> str:
    """With the experiment's own argument where the line has several."""
    own = row["experiment"].partition(":")[2].partition("=")[2]
    return f"{own}: {row['result']}" if len(arguments) > 1 else row["result"]


@cache
def _costs() -> dict[str, str]:
    """Of whole experiments that were compiled for TPUs: {experiment: hours on a slice}."""
    found = {}
    for path in sorted(COMPILED.glob("*.json")):
        compiled = json.loads(path.read_text())
        match = re.search(
            r"--config=experiments/(\S+\.py)(:batch=\d+)? --topology=\S+ --format", compiled.get("command", "")
        )
        if match:
            row, batch = compiled["row"], match[2] or ""
            found[match[1]] = f"{row['hours']:.2g} h on {row['topology']}" + (f" (`{batch}`)" if batch else "")
    return found


if __name__ == "__main__":
    main()
