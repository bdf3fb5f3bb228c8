"""Contender `tf.data` of `benchmarks/input.py`, as big_vision and flax write it; runs in `.venv-peers-tensorflow`."""
# pyright: reportMissingImports=false

from __future__ import annotations

import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from benchmarks.worker import Task, Work, serve


def build(task: Task) -> Work:
    """A crop by `sample_distorted_bounding_box`, decoded by `decode_and_crop_jpeg`, resized bilinearly to bytes."""
    files = sorted(str(path) for path in Path(task.images).rglob("*.JPEG"))

    def load(path):
        data = tf.io.read_file(path)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.io.extract_jpeg_shape(data),
            tf.zeros([0, 0, 4], tf.float32),
            min_object_covered=0,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        top, left, _ = tf.unstack(begin)
        height, width, _ = tf.unstack(size)
        image = tf.image.decode_and_crop_jpeg(data, tf.stack([top, left, height, width]), channels=3)
        return tf.cast(tf.image.resize(image, [task.image_size, task.image_size]), tf.uint8)

    options = tf.data.Options()
    options.threading.private_threadpool_size = task.workers
    dataset = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files)).repeat()
    dataset = dataset.map(load, num_parallel_calls=task.workers).batch(task.batch).prefetch(4).with_options(options)
    batches = dataset.as_numpy_iterator()
    return Work(lambda: float(next(batches)[:, ::16, ::16].mean()), 0, None, {"tensorflow": tf.__version__}, ahead=8)


if __name__ == "__main__":
    serve(build)
