"""What many views of an image cost: a protocol's step against single crops of the same number, on this machine.

    python benchmarks/views.py googlenet --rounds 5

Both compute the same number of network inputs at a time, in one process, by turns. Each run becomes one file of
`benchmarks/results/views`; `benchmarks/report.py` makes the page of them.
"""

from __future__ import annotations

import argparse
import io
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import jax
import numpy as np
import optax
from PIL import Image

from benchmarks.step import RESULTS, machine, resolve_network
from inception_jax import models
from inception_jax.config import Config, Data, Evaluation, Model
from inception_jax.data.crops import Views, views_of
from inception_jax.data.decode import decode
from inception_jax.distributed.mesh import make_mesh, put_batch
from inception_jax.evaluation.evaluator import make_eval_step
from inception_jax.reporting.tables import render
from inception_jax.training.experiment import build_network
from inception_jax.training.run_directory import write_json
from inception_jax.training.state import init_state

CLASSES = 1000
PHOTOGRAPH = (375, 500)  # height and width of the commonest in ImageNet


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark and writes its file."""
    words = sys.argv[1:] if argv is None else list(argv)
    args = _parse(words)
    config = Config(
        model=Model(name=args.network, variant=args.variant, width=args.width),
        data=Data(image_size=args.image_size),
        evaluation=Evaluation(protocol=args.protocol),
    )
    views = views_of(config)
    assert views
    run: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/views.py", *words]),
        **{name: getattr(args, name) for name in ("network", "variant", "protocol", "image_size", "width", "rounds")},
        "views": views.count,
        "environment": machine(),
        "versions": {name: metadata.version(name) for name in ("jax", "jaxlib", "flax")},
        **measure(config, views, args.rounds),
    }
    folder: Path = args.results / "views"
    folder.mkdir(parents=True, exist_ok=True)
    width = "" if args.width == 1 else f"-width{args.width:g}"
    path = folder / f"{args.network}-{args.variant}-{args.image_size}px-{args.protocol}{width}.json"
    write_json(path, run)
    print(render([row(run)], list(row(run))))
    print(f"written to {path}", file=sys.stderr)
    return 0


def measure(config: Config, views: Views, rounds: int) -> dict[str, list[float]]:
    """Seconds of one image under the protocol, of as many single crops, and of the host's part, one a round."""
    network, mesh = build_network(config, CLASSES), make_mesh()
    variables = init_state(network, config, optax.identity(), mesh).variables()
    devices = mesh.devices.size
    rng = np.random.default_rng(0)
    photograph = _jpeg(rng)
    largest = max(views.scales)

    def host() -> dict[str, np.ndarray]:
        return views.cut(decode(photograph, largest, largest), config.data.interpolation)

    labels = {"label": np.zeros(devices, np.int32), "mask": np.ones(devices, bool)}
    many = {name: np.stack([squares] * devices) for name, squares in host().items()} | labels
    together = views.per_square * devices
    size = config.data.image_size
    single = {
        "image": rng.integers(0, 256, (together, size, size, 3), np.uint8),
        "label": np.zeros(together, np.int32),
        "mask": np.ones(together, bool),
    }
    one_by_one = Config(model=config.model, data=config.data)
    steps = {
        "protocol": (_step(network, config, variables, many, mesh), 1),
        "single": (_step(network, one_by_one, variables, single, mesh), views.count // views.per_square),
        "host": (host, 1),
    }
    for step, _ in steps.values():
        step()  # compiles
    seconds: dict[str, list[float]] = {f"{name}_seconds": [] for name in steps}
    for _ in range(rounds):
        for name, (step, times) in steps.items():
            start = time.perf_counter()
            for _ in range(times):
                step()
            per_image = 1 if name == "host" else devices
            seconds[f"{name}_seconds"].append((time.perf_counter() - start) / per_image)
    return seconds


def _step(network: Any, config: Config, variables: Any, batch: Mapping[str, Any], mesh: Any) -> Callable[[], Any]:
    jitted = jax.jit(make_eval_step(network, config))
    return lambda: float(jitted(variables, put_batch(batch, mesh))["loss"])


def _jpeg(rng: np.random.Generator) -> bytes:
    """Smooth noise of a photograph's size."""
    height, width = PHOTOGRAPH
    coarse = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8))
    buffer = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def row(run: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the table."""
    ratios = [many / single for many, single in zip(run["protocol_seconds"], run["single_seconds"], strict=True)]
    low, high = min(ratios), max(ratios)
    return {
        "network": run["network"],
        "pixels": run["image_size"],
        "protocol": run["protocol"],
        "s an image": statistics.median(run["protocol_seconds"]),
        "s of as many single crops": statistics.median(run["single_seconds"]),
        "ratio": f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})",
        "host ms an image": 1000 * statistics.median(run["host_seconds"]),
    }


def section(runs: Iterable[Mapping[str, Any]]) -> str:
    """The part of docs/performance.md, empty without runs."""
    runs = list(runs)
    if not runs:
        return ""
    rows = [row(run) for run in runs]
    lines = [
        "## Test-time views\n",
        "What the papers' protocols cost beyond their network inputs. The host sends squares and the device cuts and "
        "mirrors the views; **ratio** is the time of one image under the protocol against that of as many single crops "
        "that pass through the same network as many at a time, in the same round: the median, and the least and "
        "greatest of all rounds. 1 means that views are free. **host ms** is decoding a 500 x 375 JPEG and making its "
        "squares, on one core.\n",
        "```console\n" + "\n".join(f"$ {run['command']}" for run in runs) + "\n```\n",
        render(rows, list(rows[0]), "markdown") + "\n",
    ]
    for run in runs:
        where = run["environment"]
        versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        lines.append(
            f"{run['network']}: {where['date']}, {where['cpu']}, {where['cores']} cores, load {where['load']} before "
            f"it began, {run['rounds']} rounds. Python {where['python']}, {versions}; commit "
            f"`{where['git_commit']}`.\n"
        )
    return "\n".join(lines)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=models.names())
    parser.add_argument("--variant", help="default: the one that the peers have")
    parser.add_argument("--protocol", choices=("10", "12", "144"), default="144")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--image-size", type=int, help="default: the network's own")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON files")
    args = parser.parse_args(words)
    resolve_network(parser, args)
    if min(args.rounds, args.image_size) < 1:
        parser.error("--rounds and --image-size must be at least 1")
    return args


if __name__ == "__main__":
    sys.exit(main())
