"""Times the training step and inference of one network, side by side with its plain form and its peers.

    python benchmarks/step.py inception_v3 --batch 8 --rounds 5

Each mode is one run and becomes one file of `benchmarks/results`; `benchmarks/report.py` makes the page of them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import summary
from benchmarks.contenders import CONTENDERS, start
from benchmarks.process import ROOT
from benchmarks.rounds import measure
from benchmarks.worker import Task
from inception_jax import models
from inception_jax.reporting.tables import render
from inception_jax.training.run_directory import environment, write_json

RESULTS = ROOT / "benchmarks" / "results"
# The variant that the peers have; other networks take their default.
VARIANTS = {
    "googlenet": "torchvision",
    "inception_v3": "torchvision",
    "inception_v4": "timm",
    "inception_resnet_v2": "timm",
}
MODES = ("train", "infer")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 if every contender that has the network was measured, 1 if one failed."""
    words = sys.argv[1:] if argv is None else list(argv)
    args = _parse(words)
    failed, where = False, machine()
    if where["load"] > 0.5:
        _say(f"this machine is busy (load {where['load']}): times will be long and uneven")
    for mode in args.mode:
        tasks = [
            Task(
                contender=name,
                network=args.network,
                variant=args.variant,
                mode=mode,
                batch=args.batch,
                image_size=args.image_size,
                width=args.width,
                dtype=CONTENDERS[name].dtype,
            )
            for name in args.contenders
        ]
        run: dict[str, Any] = {
            "command": shlex.join(["python", "benchmarks/step.py", *words]),
            **{name: getattr(args, name) for name in ("network", "variant", "batch", "image_size", "width", "rounds")},
            "mode": mode,
            "environment": where,
        }
        _say(f"{args.network}, {mode}, {args.image_size} pixels, batch {args.batch}, {args.rounds} rounds")
        run["contenders"] = measure(tasks, start, rounds=args.rounds, round_seconds=args.round_seconds)
        path = args.results / f"{_label(args)}-{mode}.json"
        args.results.mkdir(parents=True, exist_ok=True)
        write_json(path, run)
        table = summary.rows(run)
        print(f"\n{args.network}, {mode}\n{render(table, list(table[0]) if table else [])}")
        for sentence in summary.missing(run):
            print(sentence)
        _say(f"written to {path}")
        failed |= any("failed" in entry for entry in run["contenders"])
    return int(failed)


def machine() -> dict[str, Any]:
    """Where the run takes place: JSON-ready, without names of machines or people."""
    known = environment()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": round(os.getloadavg()[0], 2),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        **{name: known[name] for name in ("python", "platform", "git_commit")},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _label(args: argparse.Namespace) -> str:
    width = "" if args.width == 1 else f"-width{args.width:g}"
    return f"{args.network}-{args.variant}-{args.image_size}px-batch{args.batch}{width}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=models.names())
    parser.add_argument("--variant", help="default: the one that the peers have")
    parser.add_argument("--mode", type=_among(MODES), default=list(MODES), help="default: train,infer")
    parser.add_argument(
        "--contenders",
        type=_among(CONTENDERS),
        default=["ours", "plain", "keras", "torch", "torch-bf16"],
        help=f"of {', '.join(CONTENDERS)}; default: all in float32, and torch-bf16",
    )
    parser.add_argument("--batch", type=int, default=8, help="images of one step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-seconds", type=float, default=5.0, help="a turn goes on until this has passed")
    parser.add_argument("--image-size", type=int, help="default: the network's own")
    parser.add_argument("--width", type=float, default=1.0, help="peers have only 1")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON files")
    args = parser.parse_args(words)
    resolve_network(parser, args)
    if min(args.batch, args.rounds, args.image_size) < 1:
        parser.error("--batch, --rounds and --image-size must be at least 1")
    return args


def resolve_network(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Fills in `args.variant` and `args.image_size` where they are not given."""
    if args.variant is None:
        args.variant = VARIANTS.get(args.network, next(iter(models.variants(args.network))))
    try:
        args.image_size = args.image_size or models.architecture(args.network, args.variant).input_size
    except ValueError as error:
        parser.error(str(error))


def _among(known: Any) -> Any:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return list(dict.fromkeys(chosen))

    return names


if __name__ == "__main__":
    sys.exit(main())
