"""Batch norm by activation (arXiv 1502.03167, algorithm 1) against NumPy in double precision."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax import models
from inception_jax.distributed.mesh import batch_sharding, make_mesh
from inception_jax.models.inception import InceptionModule
from inception_jax.models.layers import ActivationNorm, BatchNormSpec, ConvNorm, Style
from inception_jax.models.table import avg_pool, conv, inception
from inception_jax.weights.folding import NothingToFold, fold

SPEC = BatchNormSpec(epsilon=1e-2, decay=0.75, scale=True, group_size=4)


def filled(tree, seed=0):
    """Positive numbers, since some are variances."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.uniform(0.5, 1.5, x.shape), x.dtype), tree)


def initial(module, images):
    return filled(jax.eval_shape(lambda: module.init(jax.random.key(0), images, False)))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).normal(1, 2, (8, 3, 5, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def variables(images):
    return initial(ActivationNorm(SPEC), images)


def test_each_place_of_the_map_has_its_own_numbers(images, variables):
    assert {x.shape for x in jax.tree.leaves(variables)} == {(3, 5, 6)}


def test_training_is_algorithm_1_on_every_activation(images, variables):
    applied: Any = ActivationNorm(SPEC).apply(variables, images, True, mutable=["batch_stats"])
    y, updates = applied
    groups = images.astype(np.float64).reshape(2, 4, 3, 5, 6)
    mean, var = groups.mean(1, keepdims=True), groups.var(1, keepdims=True)
    p, before = ({name: np.float64(x) for name, x in variables[kind].items()} for kind in ("params", "batch_stats"))
    want = (groups - mean) / np.sqrt(var + 1e-2) * p["scale"] + p["bias"]
    np.testing.assert_allclose(y, want.reshape(images.shape), rtol=1e-4, atol=1e-5)
    after = updates["batch_stats"]
    np.testing.assert_allclose(after["mean"], 0.75 * before["mean"] + 0.25 * mean.mean((0, 1)), rtol=1e-5)
    unbiased = groups.var(1, ddof=1).mean(0)
    np.testing.assert_allclose(after["var"], 0.75 * before["var"] + 0.25 * unbiased, rtol=1e-5)


def test_inference_uses_the_running_statistics_of_each_activation(images, variables):
    y: Any = ActivationNorm(SPEC).apply(variables, images, False)
    p, s = ({name: np.float64(x) for name, x in variables[kind].items()} for kind in ("params", "batch_stats"))
    want = (images - s["mean"]) / np.sqrt(s["var"] + 1e-2) * p["scale"] + p["bias"]
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)


def test_a_module_is_the_same_fused_and_plain(images):
    def by_activation(*args):
        return dataclasses.replace(conv(*args), by_activation=True)

    op = inception(
        [by_activation(8)],
        [by_activation(16), by_activation(8, 3)],
        [avg_pool(3), by_activation(8)],
    )
    outputs = []
    for fused in (True, False):
        module = InceptionModule(op, Style(SPEC, fused=fused))
        params = initial(module, images)
        outputs.append(module.apply(params, images, True, mutable=["batch_stats"]))
    for a, b in zip(*map(jax.tree.leaves, outputs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_groups_that_lie_on_one_device_need_no_other(images):
    mesh = make_mesh(jax.devices()[:2])
    unit = ConvNorm(dataclasses.replace(conv(8), by_activation=True), Style(SPEC), 6)
    params = initial(unit, images)

    def output(group):
        spec = dataclasses.replace(SPEC, group_size=group)
        run = lambda x: unit.clone(style=Style(spec)).apply(params, x, True, mutable=["batch_stats"])[0]  # noqa: E731
        sharding = batch_sharding(mesh)
        return jax.jit(run, in_shardings=sharding, out_shardings=sharding).lower(images).compile().as_text() or ""

    assert "all-" not in output(4)
    assert "all-reduce" in output(0)


@pytest.fixture(scope="module")
def network():
    return models.create("bn_inception", num_classes=10, width=0.05, activation_norm=True)


def test_the_last_two_modules_of_bn_inception_have_it(network):
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 96, 96, 3)))
    ranks = {}
    for path, x in jax.tree.leaves_with_path(shapes["batch_stats"]):
        ranks.setdefault(path[0].key, set()).add(x.ndim)
    assert {row for row, found in ranks.items() if found == {3}} == {"inception_5a", "inception_5b"}
    assert {row for row, found in ranks.items() if found == {1}} == ranks.keys() - {"inception_5a", "inception_5b"}


def test_it_cannot_be_folded(network):
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    with pytest.raises(NothingToFold, match=r"inception_5\w.* normalises each activation"):
        fold(network, filled(shapes))
