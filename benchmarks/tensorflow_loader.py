"""The contenders on tf.data of `benchmarks/input.py`; runs in `.venv-peers-tensorflow`.

Each reads files instead of records, draws 8 to 100 % of an image at an aspect of 3/4 to 4/3, and uses as many threads
as the task has workers. Otherwise `big_vision` does to an image what google-research/big_vision does in
big_vision/configs/bit_i1k.py, and `flax` what google/flax does in examples/imagenet/input_pipeline.py: mirror it and
send scaled float32. `bytes` does no more than the project's own loader does on a host.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from benchmarks.worker import Absent, Task, Work, serve


def build(task: Task) -> Work:
    """A crop by `sample_distorted_bounding_box`, decoded by `decode_and_crop_jpeg`, then what the project does."""
    pipelines = {"bytes": _bytes, "big_vision": _big_vision, "flax": _flax}
    if task.network not in pipelines:
        raise Absent(f"it has no {task.network}")
    options = tf.data.Options()
    options.threading.private_threadpool_size = task.workers
    options.threading.max_intra_op_parallelism = 1
    files = sorted(str(path) for path in Path(task.images).rglob("*.JPEG"))
    dataset = tf.data.Dataset.from_tensor_slices(files).with_options(options)
    batches = pipelines[task.network](dataset, len(files), task).as_numpy_iterator()
    return Work(lambda: float(next(batches)[:, ::16, ::16].mean()), 0, None, {"tensorflow": tf.__version__}, ahead=12)


def _crop(data: Any, covered: float, attempts: int) -> Any:
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        tf.io.extract_jpeg_shape(data),
        tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4]),
        min_object_covered=covered,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
        max_attempts=attempts,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.image.decode_and_crop_jpeg(data, tf.concat([begin[:2], size[:2]], 0), channels=3)


def _bytes(paths: Any, count: int, task: Task) -> Any:
    def load(path: Any) -> Any:
        image = _crop(tf.io.read_file(path), 0.1, 100)
        return tf.cast(tf.image.resize(image, [task.image_size, task.image_size]), tf.uint8)

    return _batches(paths.shuffle(count).repeat(), load, task, task.workers, 4)


def _big_vision(paths: Any, count: int, task: Task) -> Any:
    def load(path: Any) -> Any:
        image = tf.image.resize(_crop(tf.io.read_file(path), 0.0, 100), [task.image_size, task.image_size])
        image = tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)
        return tf.cast(tf.image.random_flip_left_right(image), tf.float32) / 255.0 * 2.0 - 1.0

    return _batches(paths.shuffle(count).repeat(), load, task, 100, 2)


def _flax(paths: Any, count: int, task: Task) -> Any:
    mean, deviation = (
        tf.constant([255 * value for value in values], shape=[1, 1, 3])
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )

    def load(path: Any) -> Any:
        crop = _crop(tf.io.read_file(path), 0.1, 10)
        image = tf.image.resize([crop], [task.image_size, task.image_size], method="bicubic")[0]
        return (tf.image.random_flip_left_right(image) - mean) / deviation

    return _batches(paths.repeat().shuffle(16 * task.batch), load, task, tf.data.AUTOTUNE, 10)


def _batches(paths: Any, load: Callable[[Any], Any], task: Task, calls: int, ahead: int) -> Any:
    return paths.map(load, num_parallel_calls=calls).batch(task.batch, drop_remainder=True).prefetch(ahead)


if __name__ == "__main__":
    serve(build)
