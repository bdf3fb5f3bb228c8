"""Contenders of `benchmarks/input.py` that run in the project's environment: its own loader, and the bare decoder."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import grain
import numpy as np
import simplejpeg
from absl import flags

from benchmarks.worker import Absent, Task, Work, serve
from inception_jax.config import Config, Data
from inception_jax.data.pipeline import train_iterator
from inception_jax.data.sources import open_source
from inception_jax.data.training_crop import training_image

# TensorFlow's random crop, of the sizes that every contender draws.
TENSORFLOW_CROP = {"crop": "slim", "area": (0.08, 1.0), "aspect": (3 / 4, 4 / 3)}
VERSIONS = ("grain", "simplejpeg", "opencv-python-headless", "numpy")


def build(task: Task) -> Work:
    """The loader that training uses, for three kinds of crops; the same work in Grain's processes; the bare decoder."""
    makers: dict[str, Callable[[Task], Iterator[np.ndarray]]] = {
        "threads": _threads,
        "as big_vision": functools.partial(_threads, **TENSORFLOW_CROP),
        "as flax": functools.partial(_threads, **TENSORFLOW_CROP, interpolation="bicubic"),
        "processes": _processes,
        "limit": _limit,
    }
    if task.network not in makers:
        raise Absent(f"it has no {task.network}")
    batches = makers[task.network](task)
    versions = {name: metadata.version(name) for name in VERSIONS}
    return Work(lambda: float(next(batches)[:, ::16, ::16].mean()), 0, None, versions, ahead=12)


def _threads(task: Task, **options: Any) -> Iterator[np.ndarray]:
    data = Data(image_size=task.image_size, threads=task.workers, **options)
    batches = train_iterator(open_source(f"folder:{task.images}", "all"), Config(batch_size=task.batch, data=data))
    return (batch["image"] for batch in batches)


class _Load:
    """Opens the source in the process that reads it."""

    def __init__(self, task: Task) -> None:
        self.task, self.source = task, None

    def __call__(self, position: int, index: int) -> np.ndarray:
        self.source = self.source or open_source(f"folder:{self.task.images}", "all")
        rng = np.random.default_rng(position)
        return training_image(self.source[index].image, Data(image_size=self.task.image_size), rng)


def _processes(task: Task) -> Iterator[np.ndarray]:
    flags.FLAGS.mark_as_parsed()  # Grain's processes read flags of its own
    length = len(open_source(f"folder:{task.images}", "all"))
    records = grain.MapDataset.range(length).shuffle(seed=0).repeat().map_with_index(_Load(task))
    batches = records.batch(task.batch).to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))
    return iter(batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=task.workers)))


def _limit(task: Task) -> Iterator[np.ndarray]:
    """Whole images decoded by libjpeg-turbo, neither cut nor resized: what no loader without partial decoding beats."""
    files = itertools.cycle(sorted(path for path in Path(task.images).rglob("*.JPEG")))

    def decode(path: Path) -> np.ndarray:
        return simplejpeg.decode_jpeg(path.read_bytes())[:8, :8]

    with ThreadPoolExecutor(task.workers) as pool:
        while True:
            yield np.stack([part for part in pool.map(decode, itertools.islice(files, task.batch)) if part.size == 192])


if __name__ == "__main__":
    serve(build)
