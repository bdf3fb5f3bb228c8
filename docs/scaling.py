"""Writes docs/scaling.md and its figure from docs/compiled and benchmarks/results/input: `python docs/scaling.py`.

`python docs/scaling.py --compile` first compiles, one after the other, what has no file there yet: some ten minutes of
one core each, with the extra `tpu`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from inception_jax.distributed.tpu import CHIPS, Slice, slice_named
from inception_jax.reporting.tables import render

HERE = Path(__file__).parent
COMPILED = HERE / "compiled"
PAGE = HERE / "scaling.md"
FIGURE = HERE / "images" / "scaling.png"
INPUT = HERE.parent / "benchmarks" / "results" / "input"

# Each chip is one worker of the papers, of 32 images; the rate follows by the linear rule of `:batch=`.
FULL_SIZE = {
    "googlenet": "googlenet/baseline",
    "bn_inception": "bn_inception/bn_baseline",
    "inception_v2": "inception_v3/inception_v2",
    "inception_v3": "inception_v3/baseline",
    "inception_v4": "inception_v4/inception_v4",
    "inception_resnet_v1": "inception_v4/inception_resnet_v1",
    "inception_resnet_v2": "inception_v4/inception_resnet_v2",
}
_NARROW = ("--config.model.width=0.1", "--config.model.modules=2", "--config.data.image_size=96", "--topology=v5e-16")
COMMANDS = {
    name: (f"--config=experiments/{path}.py:batch=2048", "--topology=v5e-64") for name, path in FULL_SIZE.items()
} | {
    "groups_on_one_chip": ("--config=experiments/inception_v3/baseline.py", *_NARROW, "--batch-size=512"),
    "groups_across_chips": ("--config=experiments/inception_v3/baseline.py", *_NARROW, "--batch-size=384"),
    "one_group": (
        *("--config=experiments/inception_v3/baseline.py", *_NARROW, "--batch-size=512"),
        "--config.model.bn_group_size=0",
    ),
}
# What the papers trained with: images of one worker, and workers, where they say so.
REGIMES = (
    ("BN-Inception (1502.03167)", 32, 1, "asynchronous workers; each makes its own updates"),
    ("Inception-v3 (1512.00567)", 32, 50, "50 replicas; here one synchronous batch, which the paper leaves open"),
    ("Inception-v4 (1602.07261)", 32, 20, "20 replicas; here one synchronous batch of 32 each, which it leaves open"),
)
WEAK = ("v5e-8", "v5e-16", "v5e-32", "v5e-64", "v5e-128", "v5e-256", "2xv5e-256", "4xv5e-256", "8xv5e-256")
IMAGES = 1_281_167


def main() -> None:
    """Compiles and measures what is asked for, then writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--compile", action="store_true", help="compile what has no file in docs/compiled yet")
    arguments = parser.parse_args()
    for name in COMMANDS if arguments.compile else ():
        if not (COMPILED / f"{name}.json").exists():
            compile_one(name)
    draw(FIGURE)
    PAGE.write_text(page())


def compile_one(name: str) -> None:
    """Runs the command of `name` and keeps what it prints, with the versions that made it."""
    command = ("inception-jax", "compile", *COMMANDS[name], "--format=json")
    print(f"{name}: {' '.join(command)}", file=sys.stderr, flush=True)
    program = str(Path(sys.executable).with_name(command[0]))
    done = subprocess.run([program, *command[1:]], stdout=subprocess.PIPE, text=True, check=True, cwd=HERE.parent)
    _write(COMPILED / f"{name}.json", record(command, json.loads(done.stdout)[0]))


def record(command: tuple[str, ...], row: dict[str, Any]) -> dict[str, Any]:
    """One file of docs/compiled."""
    versions = {package: metadata.version(package) for package in ("jax", "libtpu")}
    return {"command": " ".join(command), "date": str(datetime.date.today()), "versions": versions, "row": row}


def input_runs() -> dict[int, dict[str, Any]]:
    """What `benchmarks/input.py` measured, by the size of the network's input."""
    runs = [json.loads(path.read_text()) for path in sorted(INPUT.glob("*.json"))]
    return {run["image_size"]: run for run in runs}


def decoded_per_processor_second(run: dict[str, Any]) -> float:
    """Images that the training loader makes of files in one second of one processor."""
    (ours,) = (entry for entry in run["loaders"] if entry["name"] == "ours")
    return run["batch"] / statistics.median(ours["cpu_seconds_per_step"])


def compiled(name: str) -> dict[str, Any] | None:
    """The file of `name`, if it was compiled."""
    path = COMPILED / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def weak(name: str, topology: str) -> dict[str, Any]:
    """`name` with 32 images a chip on another slice: the same program, another sum of gradients.

    The compiler's cycles of a chip do not depend on how many there are (a test compiles for 4 and 64), so only the
    time of the collectives is computed anew.
    """
    found, where = compiled(name), slice_named(topology)
    assert found
    row = found["row"]
    number, kind = row["collectives"].split()
    assert kind == "all-reduce"
    # One sum of everything, and the hops of the others.
    interconnect = where.all_reduce_seconds(row["collective_bytes"]) + (int(number) - 1) * where.all_reduce_seconds(0)
    seconds = row["compute_seconds"] + interconnect
    batch = 32 * where.chips
    rate = batch / seconds
    return {
        "slice": where.name,
        "chips": where.chips,
        "hosts": where.hosts,
        "batch": batch,
        "interconnect, ms": f"{interconnect * 1e3:.2f}",
        "step, ms": f"{seconds * 1e3:.2f}",
        "efficiency": f"{row['compute_seconds'] / seconds:.1%}",
        "images/s": round(rate),
        "to decode a host, images/s": round(rate / where.hosts),
        "updates an epoch": round(IMAGES / batch),
        "seconds an epoch": f"{IMAGES / rate:.3g}",
    }


def draw(path: Path) -> None:
    """Images a second against chips, with what the hosts of the slice decode."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
    for name, colour, marker in zip(FULL_SIZE, colours, "osD^vPX", strict=True):
        if not compiled(name):
            continue
        rows = [weak(name, topology) for topology in WEAK]
        axes.plot([r["chips"] for r in rows], [r["images/s"] for r in rows], color=colour, marker=marker, label=name)
    slices = [slice_named(topology) for topology in WEAK]
    rates = [_host_rate(where) * where.hosts for where in slices]
    axes.plot([s.chips for s in slices], rates, "--", color="0.4", label="what their hosts decode")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([slice_named(t).chips for t in WEAK], [f"{slice_named(t).chips:,}" for t in WEAK])
    axes.set_xlabel("TPU v5e chips, 32 images each (from 512 on: several slices)")
    axes.set_ylabel("images/s, estimated")
    axes.grid(color="0.9")
    axes.legend(frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _host_rate(where: Slice) -> float:
    """Images a second that a host's processors decode, if each did what one does here."""
    return min(map(decoded_per_processor_second, input_runs().values())) * (where.chip.host_processors or math.nan)


def page() -> str:
    """The whole page, in Markdown."""
    text = (HERE / "scaling.template.md").read_text()
    for place, fill in PLACES.items():
        assert f"<!-- {place} -->" in text, place
        text = text.replace(f"<!-- {place} -->", fill())
    return text


def chips_table() -> str:
    """What is published of the chips."""
    rows = [
        {
            "chip": kind,
            "peak, TFLOP/s": chip.flops / 1e12,
            "clock, GHz": round(chip.clock / 1e9, 2),
            "HBM for a program, GiB": chip.hbm_bytes / 2**30,
            "HBM, GB/s": chip.hbm_bandwidth / 1e9,
            "FLOP a byte": round(chip.flops / chip.hbm_bandwidth),
            "one link, GB/s": chip.link / 1e9,
            "links": 2 * len([side for side in chip.shapes[-1] if side > 1]),
            "data-centre network, GB/s": chip.network / 1e9,
            "host processors": chip.host_processors,
        }
        for kind, chip in CHIPS.items()
    ]
    return render(rows, list(rows[0]), "markdown")


def full_size_table() -> str:
    """Every full-size network on v5e-64."""
    rows = []
    for name, path in FULL_SIZE.items():
        if found := compiled(name):
            row = found["row"]
            rows.append(
                {
                    "experiment": path,
                    "parameters, MiB": f"{row['parameter_bytes'] / 2**20:.0f}",
                    "optimizer, MiB": f"{row['optimizer_bytes'] / 2**20:.0f}",
                    "activations, GiB": f"{row['activation_bytes'] / 2**30:.2f}",
                    "peak, GiB": f"{row['peak_bytes'] / 2**30:.2f} of {row['hbm_bytes'] / 2**30:.2f}",
                    "FLOP a byte": f"{row['flops_per_byte']:.0f}",
                    "traffic alone, ms": f"{row['traffic_bytes'] / CHIPS['v5e'].hbm_bandwidth * 1e3:.1f}",
                    "collectives": row["collectives"],
                    "interconnect, ms": f"{row['interconnect_seconds'] * 1e3:.2f}",
                    "step, ms": f"{row['step_seconds'] * 1e3:.1f}",
                    "images/s": f"{row['images_per_second']:,.0f}",
                    "utilisation": f"{row['model_flops_utilisation']:.0%}",
                    "steps": f"{row['steps']:,}",
                    "hours": f"{row['hours']:.2f}",
                    "chip-hours": f"{row['chip_hours']:,.0f}",
                    "to decode a host, images/s": f"{row['decoded_per_second_and_host']:,.0f}",
                }
            )
    missing = [path for name, path in FULL_SIZE.items() if not compiled(name)]
    table = render(rows, list(rows[0]), "markdown")
    return f"{table}\n\nNot compiled yet: {', '.join(missing)}." if missing else table


def groups_table() -> str:
    """What groups of batch statistics cost."""
    titles = {
        "groups_on_one_chip": "32 images a chip, groups of 32",
        "groups_across_chips": "24 images a chip, groups of 32",
        "one_group": "32 images a chip, one group of all 512",
    }
    rows = [
        {"batch": title, "collectives a step": found["row"]["collectives"]}
        for name, title in titles.items()
        if (found := compiled(name))
    ]
    return render(rows, list(rows[0]), "markdown")


def weak_table() -> str:
    """Inception-v3 from 8 to 2048 chips."""
    rows = [weak("inception_v3", topology) for topology in WEAK]
    return render(rows, list(rows[0]), "markdown")


def hosts_table() -> str:
    """What a host has to decode, and how many of its processors that takes."""
    measured = {size: decoded_per_processor_second(run) for size, run in input_runs().items()}
    rows = []
    for name, path in FULL_SIZE.items():
        if found := compiled(name):
            needed, where = found["row"]["decoded_per_second_and_host"], slice_named("v5e-64")
            size = 299 if path.startswith(("inception_v3", "inception_v4")) else 224
            rows.append(
                {
                    "experiment": path,
                    "pixels": size,
                    "to decode a host, images/s": round(needed),
                    "one processor here, images/s": round(measured[size]),
                    "processors that it takes": math.ceil(needed / measured[size]),
                    "processors of a v5e host": where.chip.host_processors,
                }
            )
    return render(rows, list(rows[0]), "markdown")


def decoding_note() -> str:
    """Where the measured rates come from."""
    runs = input_runs().values()
    dates, processors = ({run["environment"][name] for run in runs} for name in ("date", "cpu"))
    where = "[docs/performance.md](performance.md#input)"
    return f"The rate of one processor here is that of {where}: {', '.join(dates)}, {', '.join(processors)}."


def regimes_table() -> str:
    """The papers' batches, and on how many chips they keep whole groups."""
    rows = []
    for paper, group, workers, how in REGIMES:
        whole = workers & -workers  # the largest power of two that divides the groups
        rows.append(
            {
                "paper": paper,
                "images an update": group * workers,
                "how": how,
                "updates an epoch": round(IMAGES / (group * workers)),
                "chips with whole groups, at most": whole,
                "updates an epoch on 64 chips, 32 each": round(IMAGES / (group * 64)),
                "on 2,048": round(IMAGES / (group * 2048)),
            }
        )
    return render(rows, list(rows[0]), "markdown")


def versions() -> str:
    """What compiled the numbers."""
    found = [found for name in COMMANDS if (found := compiled(name))]
    pairs = sorted({", ".join(f"{k} {v}" for k, v in entry["versions"].items()) for entry in found})
    return f"{'; '.join(pairs)}; {max(entry['date'] for entry in found)}"


PLACES = {
    "chips": chips_table,
    "full size": full_size_table,
    "groups": groups_table,
    "weak": weak_table,
    "hosts": hosts_table,
    "decoding": decoding_note,
    "regimes": regimes_table,
    "versions": versions,
}


def _write(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, path)


if __name__ == "__main__":
    main()
