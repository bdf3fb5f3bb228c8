"""Contender `keras`: keras.applications on the JAX backend, its step jitted as a whole; runs in `.venv-peers`."""
# pyright: reportMissingImports=false

from __future__ import annotations

import functools
import math
import os
import time
from importlib import metadata
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"  # read when keras is imported

import jax
import keras
import numpy as np

from benchmarks.worker import Absent, Task, Work, serve

NETWORKS = {"inception_v3": "InceptionV3", "inception_resnet_v2": "InceptionResNetV2"}


def build(task: Task) -> Work:
    """Compiles one step of `stateless_call`, and of momentum SGD in training."""
    if task.network not in NETWORKS:
        raise Absent(f"keras.applications has no {task.network}")
    model = getattr(keras.applications, NETWORKS[task.network])(
        weights=None,
        classes=task.classes,
        classifier_activation=None,
        input_shape=(task.image_size, task.image_size, 3),
    )
    optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (task.batch, task.image_size, task.image_size, 3), np.uint8)
    labels = rng.integers(0, task.classes, task.batch, np.int32)
    state = tuple(
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    )

    def forward(trainable: Any, rest: Any, images: Any, labels: Any, training: bool) -> Any:
        scaled = images.astype("float32") / 127.5 - 1
        logits, rest = model.stateless_call(trainable, rest, scaled, training=training)
        return loss_of(labels, logits), rest

    @functools.partial(jax.jit, donate_argnums=0)
    def train(state: Any, images: Any, labels: Any) -> Any:
        trainable, rest, slots = state
        of = functools.partial(forward, training=True)
        (loss, rest), gradients = jax.value_and_grad(of, has_aux=True)(trainable, rest, images, labels)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, rest, slots), loss

    @jax.jit
    def infer(state: Any, images: Any, labels: Any) -> Any:
        return forward(state[0], state[1], images, labels, training=False)[0]

    start = time.perf_counter()
    compiled = (train if task.mode == "train" else infer).lower(state, images, labels).compile()
    seconds = time.perf_counter() - start

    def step() -> float:
        nonlocal state
        if task.mode == "infer":
            return float(compiled(state, images, labels))
        state, loss = jax.block_until_ready(compiled(state, images, labels))
        return float(loss)

    parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return Work(step, parameters, seconds, {name: metadata.version(name) for name in ("keras", "jax", "jaxlib")})


if __name__ == "__main__":
    serve(build)
