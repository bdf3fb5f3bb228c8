"""Views on the device, and the answer that they give together, against plain loops."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from inception_jax.config import Config, Data, Evaluation
from inception_jax.data.crops import Views, views_of
from inception_jax.data.records import Record, Source
from inception_jax.distributed.mesh import batch_sharding, make_mesh, put_batch, replicated
from inception_jax.evaluation.evaluator import Evaluator, make_eval_step
from inception_jax.evaluation.multicrop import combine, cut, view_logits, with_mirrors
from tests import slow_views
from tests.fake_network import FakeNetwork

SIZE = 8
CLASSES = 10
NETWORK = FakeNetwork(CLASSES)
SHAPES = [(11, 17), (17, 11), (13, 13), (3, 2), (9, 10)]  # landscape, portrait, square, tiny


def config_of(protocol: str, average: str = "probabilities", batch_size: int = 32) -> Config:
    evaluation = Evaluation(protocol=protocol, average=average, batch_size=batch_size)
    return Config(data=Data(image_size=SIZE), evaluation=evaluation)


def protocol_of(name: str) -> Views:
    views = views_of(config_of(name))
    assert views is not None
    return views


def source_of(length: int) -> Source:
    def read(index):
        rng = np.random.default_rng(index)
        return Record(rng.integers(0, 256, (*SHAPES[index % 5], 3), np.uint8), int(rng.integers(CLASSES)), str(index))

    return Source(tuple("abcdefghij"), range(length), read)


def batch_of(views: Views, length: int) -> dict[str, Any]:
    sent = [views.cut(np.asarray(source_of(length)[i].image), "bilinear") for i in range(length)]
    return {name: np.stack([each[name] for each in sent]) for name in sent[0]}


def slow_views_of(batch: dict[str, np.ndarray], views: Views, i: int) -> np.ndarray:
    """The views of image i, cut by plain slicing from the squares that were sent, uint8 [Q, 2 V, S, S, 3]."""
    squares = [square for k in range(len(views.scales)) for square in batch[f"squares_{k}"][i]]
    cut = np.array([slow_views.views_of_square(square, SIZE, views.whole) for square in squares])
    if views.whole:
        # As sent, and not resized again: tests/data/test_views.py compares that, up to rounding.
        cut[:, 5], cut[:, 11] = batch["whole"][i], batch["whole"][i, :, :, ::-1]
    return cut


@pytest.fixture(scope="module")
def variables():
    init = NETWORK.init({"params": jax.random.key(0)}, jnp.zeros((1, SIZE, SIZE, 3)))
    leaves, tree = jax.tree.flatten(init)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return jax.tree.unflatten(tree, [jax.random.normal(k, x.shape) ** 2 for k, x in zip(keys, leaves, strict=True)])


@pytest.mark.parametrize("protocol", ["10", "12", "144"])
def test_views_are_cut_and_mirrored_as_the_papers_say(protocol):
    views, batch = protocol_of(protocol), batch_of(protocol_of(protocol), 5)
    found = np.stack([np.asarray(with_mirrors(square)) for square in cut(batch, views)])
    assert found.shape == (views.count // views.per_square, 5, views.per_square, SIZE, SIZE, 3)
    for i in range(5):
        np.testing.assert_array_equal(found[:, i], slow_views_of(batch, views, i))


def test_every_view_passes_through_the_network_once_and_few_at_a_time(variables):
    views, batch, traced = protocol_of("144"), batch_of(protocol_of("144"), 3), []

    def classify(images: jax.Array) -> jax.Array:
        traced.append(images.shape)
        output: Any = NETWORK.apply(variables, images / 127.5 - 1)
        return output.logits

    found = np.asarray(view_logits(classify, batch, views))
    assert traced == [(3 * 12, SIZE, SIZE, 3)], "one square of each image at a time, compiled once"
    assert found.shape == (12, 3, 12, CLASSES)
    for i in range(3):
        expected = slow_answers(variables, slow_views_of(batch, views, i).reshape(144, SIZE, SIZE, 3))
        np.testing.assert_allclose(found[:, i].reshape(144, CLASSES), expected, rtol=1e-4)


def slow_answers(variables, images: np.ndarray) -> np.ndarray:
    output: Any = NETWORK.apply(variables, images.astype(np.float32) / 127.5 - 1)
    return np.asarray(output.logits, np.float64)


def slow_combine(logits: np.ndarray, average: str) -> np.ndarray:
    """Probabilities [K] from the logits of V views [V, K]."""
    match average:
        case "probabilities":
            return special.softmax(logits, axis=1).mean(axis=0)
        case "logits":
            return special.softmax(logits.mean(axis=0))
    largest = special.softmax(logits, axis=1).max(axis=0)
    return largest / largest.sum()


@pytest.mark.parametrize("average", ["probabilities", "logits", "max"])
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.1, 3.0, 30.0]))
@settings(max_examples=15)
def test_views_are_combined_as_written(average, seed, spread):
    logits = spread * np.random.default_rng(seed).normal(size=(3, 2, 4, 7))  # squares, images, views, classes
    found = jax.nn.softmax(combine(jnp.asarray(logits, jnp.float32), average, (0, 2)))
    expected = [slow_combine(logits[:, i].reshape(12, 7), average) for i in range(2)]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-30)


def test_the_three_ways_disagree_where_the_papers_say_they_may():
    """Two views lean to class 0 and one is sure of class 1; class 2 is second everywhere."""
    probabilities = np.array([[0.6, 0.05, 0.35], [0.6, 0.05, 0.35], [0.02, 0.9, 0.08]])
    logits = jnp.log(jnp.asarray(probabilities))
    answers = {name: int(combine(logits, name, 0).argmax()) for name in ("probabilities", "logits", "max")}
    assert answers == {"probabilities": 0, "logits": 2, "max": 1}


def test_an_unknown_average_is_named():
    with pytest.raises(ValueError, match=r"probabilities, logits or max, got 'median'$"):
        combine(jnp.zeros((2, 3)), "median", 0)


def test_a_view_that_is_not_a_number_makes_its_image_wrong_and_no_other():
    logits = np.zeros((4, 2, 3), np.float32)
    logits[2, 0, 1] = np.nan
    for average in ("probabilities", "logits", "max"):
        combined = np.asarray(combine(jnp.asarray(logits), average, 0))
        assert np.isnan(combined[0]).any()
        assert not np.isnan(combined[1]).any()


def one_by_one(variables, source, protocol, average) -> dict[str, float]:
    """Loss, top-1 and top-5 of the views that were sent, image by image."""
    views, losses, above = protocol_of(protocol), [], []
    for i in range(len(source)):
        batch = {name: values[None] for name, values in views.cut(np.asarray(source[i].image), "bilinear").items()}
        images = slow_views_of(batch, views, 0).reshape(views.count, SIZE, SIZE, 3)
        probabilities = slow_combine(slow_answers(variables, images), average)
        own = probabilities[source[i].label]
        losses.append(-np.log(own))
        above.append((probabilities > own).sum())
    top1, top5 = (float(np.mean(np.array(above) < limit)) for limit in (1, 5))
    return {"loss": float(np.mean(losses)), "top1": top1, "top5": top5}


@pytest.mark.parametrize("average", ["probabilities", "logits", "max"])
@pytest.mark.parametrize("protocol", ["10", "144"])
def test_counts_are_those_of_images_one_by_one(variables, protocol, average):
    source, mesh = source_of(23), make_mesh(jax.devices()[:2])
    evaluator = Evaluator(NETWORK, source, config_of(protocol, average, batch_size=60), mesh)
    found = evaluator(jax.device_put(variables, replicated(mesh)))
    expected = one_by_one(variables, source, protocol, average)
    assert found["images"] == 23
    assert (found["top1"], found["top5"]) == (expected["top1"], expected["top5"])
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert 0 < found["top1"] < found["top5"] < 1, "nothing trivial is compared"


@pytest.fixture(scope="module")
def whole_answer(variables):
    """The counts on one device, of the first n images for every n."""
    mesh = make_mesh(jax.devices()[:1])
    counts = []
    evaluator = Evaluator(NETWORK, source_of(40), config_of("12"), mesh, answers=True)

    def done(images, answers):
        assert images == len(answers.ranks)
        counts.extend(answers.ranks.tolist())

    evaluator(jax.device_put(variables, replicated(mesh)), on_batch_done=done)
    assert len(counts) == 40
    return np.array(counts)


@pytest.mark.parametrize("devices", [1, 2, 8])
@given(length=st.integers(1, 40), batch_size=st.sampled_from([1, 12, 50, 300]))
@settings(max_examples=4)
def test_neither_devices_nor_batch_nor_length_change_a_count(variables, whole_answer, devices, length, batch_size):
    mesh = make_mesh(jax.devices()[:devices])
    evaluator = Evaluator(NETWORK, source_of(length), config_of("12", batch_size=batch_size), mesh)
    assert evaluator.batch_size == max(1, batch_size // (12 * devices)) * devices
    found = evaluator(jax.device_put(variables, replicated(mesh)))
    top1, top5 = (int((whole_answer[:length] < limit).sum()) for limit in (1, 5))
    assert (found["images"], found["top1"], found["top5"]) == (length, top1 / length, top5 / length)


def test_the_views_of_an_image_stay_on_its_device(variables):
    """The only communication is that of four sums: no image and no logit travels."""
    config, mesh = config_of("144"), make_mesh(jax.devices()[:8])
    rows = {"label": np.zeros(16, np.int32), "mask": np.ones(16, bool)}
    batch = put_batch({**batch_of(protocol_of("144"), 16), **rows}, mesh)
    step = jax.jit(
        make_eval_step(NETWORK, config),
        in_shardings=(replicated(mesh), batch_sharding(mesh)),
        out_shardings=replicated(mesh),
    )
    compiled = step.lower(jax.device_put(variables, replicated(mesh)), batch).compile().as_text()
    assert compiled
    for collective in ("all-gather", "all-to-all", "collective-permute", "reduce-scatter"):
        assert collective not in compiled
    assert "all-reduce" in compiled


def test_one_batch_of_single_views_is_rounded_up_and_of_many_down():
    mesh = make_mesh(jax.devices()[:8])
    sizes = {
        protocol: Evaluator(NETWORK, source_of(3), config_of(protocol, batch_size=200), mesh).batch_size
        for protocol in ("single", "10", "12", "144")
    }
    assert sizes == {"single": 200, "10": 16, "12": 16, "144": 16}
    few = dataclasses.replace(config_of("144"), batch_size=1, evaluation=Evaluation(protocol="144"))
    assert Evaluator(NETWORK, source_of(3), few, mesh).batch_size == 8
