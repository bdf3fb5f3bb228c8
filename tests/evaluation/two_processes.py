"""One process of a job that evaluates: `two_processes.py COORDINATOR PROCESSES INDEX FOLDER`; the test starts them."""

import contextlib
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from inception_jax import models
from inception_jax.cli.main import main
from inception_jax.config import Config, Data, Evaluation
from inception_jax.data.records import Record, Source
from inception_jax.distributed.mesh import make_mesh, replicated
from inception_jax.distributed.start import join
from inception_jax.evaluation.evaluator import Evaluator
from tests.fake_network import FakeNetwork

IMAGES, CLASSES, SIZE = 37, 10, 16
PROTOCOLS = {"single": 1, "12": 24}
LEFT_OUT, UNREADABLE = 11, 17


def source() -> Source:
    """Noise; one image without a valid label and one that cannot be read."""

    def read(index: int) -> Record:
        rng = np.random.default_rng(index)
        pixels = rng.integers(0, 256, (20 + index % 5, 24, 3), np.uint8)
        image = b"" if index == UNREADABLE else pixels
        return Record(image, int(rng.integers(CLASSES)), str(index), () if index == LEFT_OUT else None)

    return Source(tuple("abcdefghij"), range(IMAGES), read)


def weights():
    """At random but for their size, so that no answer is trivial."""
    tree = FakeNetwork().init({"params": jax.random.key(0)}, jnp.zeros((1, SIZE, SIZE, 3)))
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    drawn = [np.asarray(jax.random.normal(k, x.shape) ** 2) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


def counts() -> dict[str, dict]:
    """What the evaluation of this process, one of however many, says under each protocol."""
    found, mesh = {}, make_mesh()
    for protocol, batch_size in PROTOCOLS.items():
        evaluation = Evaluation(protocol=protocol, batch_size=batch_size * mesh.devices.size)
        config = Config(data=Data(image_size=SIZE), evaluation=evaluation)
        ranks: dict[int, int] = {}

        def done(images, answers, ranks=ranks):
            ranks.update(zip(answers.positions.tolist(), answers.ranks.tolist(), strict=True))

        evaluator = Evaluator(FakeNetwork(), source(), config, mesh, answers=True)
        result = evaluator(jax.device_put(weights(), replicated(mesh)), on_batch_done=done)
        found[protocol] = {**result, "ranks": sorted(ranks.items())}
    return found


def run(coordinator: str, processes: str, index: str, folder: str) -> None:
    """Counts; then evaluates the run in `folder`, by which only the first process may write or print."""
    join(coordinator, int(processes), int(index))
    out = Path(folder)
    (out / f"counts-{index}.json").write_text(json.dumps(counts()))
    models.create = lambda *_, **__: FakeNetwork()
    flags = [f"--predictions={out / 'p.csv'}", f"--per-class={out / 'c.csv'}", "--protocol=12", "--format=csv"]
    cache = f"--cache={out / 'cache'}"
    # A file of its own: XLA's collectives speak on standard output, in several threads at once.
    with (out / f"printed-{index}.csv").open("w") as file, contextlib.redirect_stdout(file):
        assert main(["evaluate", f"--workdir={out / 'run'}", *flags]) == 0
        assert main(["ensemble", str(out / "run"), "--protocols=single,12", "--format=csv", cache]) == 0


if __name__ == "__main__":
    run(*sys.argv[1:])
