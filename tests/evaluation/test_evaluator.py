import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_jax.config import Config, Data, Evaluation
from inception_jax.data.sources import open_source
from inception_jax.distributed.mesh import make_mesh, replicated
from inception_jax.evaluation.evaluator import Evaluator, evaluate
from tests.fake_network import FakeNetwork

CONFIG = Config(data=Data(image_size=8, eval_crop=1.0), evaluation=Evaluation(batch_size=32))
NETWORK = FakeNetwork()


@pytest.fixture(scope="module")
def variables():
    init = NETWORK.init({"params": jax.random.key(0)}, jnp.zeros((1, 8, 8, 3)))
    # Statistics and weights at random, so that no prediction is trivial.
    leaves, tree = jax.tree.flatten(init)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return jax.tree.unflatten(tree, [jax.random.uniform(k, x.shape) for k, x in zip(keys, leaves, strict=True)])


def one_by_one(variables, source):
    """Loss, top-1 and top-5 from unbatched arithmetic in NumPy, on the images as they are."""
    images = np.stack([source[i].image for i in range(len(source))])
    labels = np.array([source[i].label for i in range(len(source))])
    output: Any = jax.jit(NETWORK.apply)(variables, images.astype(np.float32) / 127.5 - 1)
    logits = np.asarray(output.logits, np.float64)
    own = logits[np.arange(len(labels)), labels]
    above = (logits > own[:, None]).sum(axis=1)
    return {
        "loss": (np.log(np.exp(logits).sum(axis=1)) - own).mean(),
        "top1": (above < 1).mean(),
        "top5": (above < 5).mean(),
        "images": len(labels),
    }


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_every_image_counts_once_on_any_number_of_devices(variables, devices):
    source = open_source("digits", "test")  # 359 images: a multiple of no batch
    mesh = make_mesh(jax.devices()[:devices])
    found = evaluate(NETWORK, jax.device_put(variables, replicated(mesh)), source, CONFIG, mesh)
    expected = one_by_one(variables, source)
    assert found["images"] == 359
    assert (found["top1"], found["top5"]) == (expected["top1"], expected["top5"])
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


@settings(max_examples=8)
@given(st.integers(1, 60), st.integers(1, 70))
def test_neither_batch_size_nor_length_matters(variables, images, batch_size):
    source = open_source("digits", f"test[:{images}]")
    config = dataclasses.replace(CONFIG, evaluation=Evaluation(batch_size=batch_size))
    mesh = make_mesh(jax.devices()[:2])
    evaluator = Evaluator(NETWORK, source, config, mesh)
    assert evaluator.batch_size in (batch_size, batch_size + 1)
    found, expected = evaluator(jax.device_put(variables, replicated(mesh))), one_by_one(variables, source)
    assert {k: found[k] for k in ("top1", "top5", "images")} == {k: expected[k] for k in ("top1", "top5", "images")}
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_the_batch_of_training_is_the_default():
    config = dataclasses.replace(CONFIG, batch_size=12, evaluation=Evaluation())
    source = open_source("digits", "test")
    assert Evaluator(NETWORK, source, config, make_mesh(jax.devices()[:8])).batch_size == 16


def test_what_the_hook_raises_ends_the_evaluation(variables):
    class Stop(Exception):
        pass

    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 3:
            raise Stop

    mesh = make_mesh(jax.devices()[:1])
    evaluator = Evaluator(NETWORK, open_source("digits", "test"), CONFIG, mesh)
    with pytest.raises(Stop):
        evaluator(jax.device_put(variables, replicated(mesh)), on_batch=stop)
    assert len(calls) == 3
