"""Times loaders and JPEG libraries side by side: random crops of the images in a folder, on threads or processes.

    python benchmarks/input.py --images=PATH

The result becomes a file of `benchmarks/results/input`; `benchmarks/report.py` makes the page of it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import input_report, peers
from benchmarks.input_contenders import LOADERS
from benchmarks.process import ROOT, Contender
from benchmarks.rounds import measure
from benchmarks.step import machine
from benchmarks.worker import Task
from inception_jax.reporting.tables import render
from inception_jax.training.run_directory import write_json

RESULTS = ROOT / "benchmarks" / "results" / "input"
IN_OTHER_ENVIRONMENTS = {"torchvision.io": "torch", "imagecodecs": "tensorflow"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 if every contender was measured or is absent, 1 if one failed."""
    words = sys.argv[1:] if argv is None else list(argv)
    args = _parse(words)
    own = ("--images", "--results")  # folders of this machine
    shown = [word for before, word in zip(["", *words], words, strict=False) if before not in own]
    shown = [word for word in shown if not word.startswith(own)]
    run: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/input.py", "--images=PATH", *shown]),
        "files": _files(args.images),
        **{name: getattr(args, name) for name in ("image_size", "batch", "workers", "rounds")},
        "environment": machine(),
    }
    libraries = [f"{name}/{way}" for name in args.libraries for way in ("threads", "processes")]
    for kind, names in (("loaders", args.loaders), ("libraries", libraries)):
        tasks = [_task(args, name) for name in names]
        run[kind] = measure(tasks, start, rounds=args.rounds, round_seconds=args.round_seconds)
    _say("resident memory over epochs")
    run["memory"] = _other("memory", str(args.images), str(args.epochs), str(args.image_size))
    if args.listed:
        _say(f"a folder of {args.listed:,} images, listed twice")
        run["listing"] = _other("listing", str(args.listed))
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / f"{args.image_size}px-batch{args.batch}-workers{args.workers}.json"
    write_json(path, run)
    for title, rows in (
        ("Loaders", input_report.loader_rows(run)),
        ("Libraries", input_report.library_rows(run)),
    ):
        print(f"\n{title}\n{render(rows, list(rows[0]) if rows else [])}")
    for sentence in (*input_report.missing(run), *input_report.sentences(run)):
        print(sentence)
    _say(f"written to {path}")
    return int(any("failed" in entry for entry in (*run["loaders"], *run["libraries"])))


def start(task: Task, say: Callable[[str], None]) -> Contender:
    """Starts the process of a loader or of `LIBRARY/threads` or `LIBRARY/processes`.

    Raises:
      Absent: its environment cannot be made.
    """
    if task.contender in LOADERS:
        module, environment = LOADERS[task.contender][:2]
    else:
        module, environment = "decoders", IN_OTHER_ENVIRONMENTS.get(task.contender.rpartition("/")[0], "project")
    python: str | Path = sys.executable
    if environment == "torch":
        python = peers.peer_python(peers.TORCH, say)
    elif environment == "tensorflow":
        python = peers.peer_python(peers.TENSORFLOW, say, ROOT / ".venv-peers-tensorflow")
    return Contender(task, [python, "-m", f"benchmarks.{module}"])


def _task(args: argparse.Namespace, name: str) -> Task:
    network = LOADERS[name].name if name in LOADERS else name
    return Task(
        contender=name,
        network=network,
        variant="",
        mode="input",
        batch=args.batch,
        image_size=args.image_size,
        width=1.0,
        dtype="uint8",
        images=str(args.images),
        workers=args.workers,
    )


def _files(folder: Path) -> dict[str, float]:
    sizes = [path.stat().st_size for path in folder.rglob("*.JPEG")]
    return {"count": len(sizes), "mean_bytes": sum(sizes) / len(sizes)}


def _other(module: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    from benchmarks.decoders import LIBRARIES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a folder of class folders of .JPEG files")
    parser.add_argument("--loaders", type=_among(LOADERS), default=list(LOADERS), help=f"of {'; '.join(LOADERS)}")
    parser.add_argument(
        "--libraries", type=_among(LIBRARIES), default=list(LIBRARIES), help=f"of {'; '.join(LIBRARIES)}"
    )
    parser.add_argument("--image-size", type=int, default=299)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="threads or processes; default: the cores")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-seconds", type=float, default=3.0, help="a turn goes on until this has passed")
    parser.add_argument("--epochs", type=int, default=20, help="over which memory is watched")
    parser.add_argument("--listed", type=int, default=1_281_000, help="empty files whose listing is timed; 0: none")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON file")
    args = parser.parse_args(words)
    args.images = args.images.resolve()
    if not any(args.images.rglob("*.JPEG")):
        parser.error(f"--images={args.images}: no .JPEG file in it")
    if min(args.batch, args.rounds, args.image_size, args.workers, args.epochs) < 1:
        parser.error("--batch, --rounds, --image-size, --workers and --epochs must be at least 1")
    return args


def _among(known: Any) -> Any:
    def names(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(";") if name.strip()]
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {'; '.join(known)}")
        return list(dict.fromkeys(chosen))

    return names


if __name__ == "__main__":
    sys.exit(main())
