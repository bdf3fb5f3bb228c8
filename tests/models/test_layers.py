"""Layers against NumPy loops and Flax: edge rules of pools, LRN, grouped batch statistics."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_jax.models.geometry import MapTooSmall
from inception_jax.models.layers import BatchNormSpec, ConvNorm, Style, local_response_norm, pool
from inception_jax.models.table import LocalResponseNorm, avg_pool, conv, max_pool, scaled


def caffe_pool(x: np.ndarray, kind: str, window: int, stride: int) -> np.ndarray:
    """Caffe's pooling layer without padding, as its `pooling_layer.cpp` describes it: sizes round up."""
    height, width = (int(np.ceil((n - window) / stride)) + 1 for n in x.shape[:2])
    out = np.empty((height, width, x.shape[2]))
    for i in range(height):
        for j in range(width):
            patch = x[i * stride : i * stride + window, j * stride : j * stride + window]
            out[i, j] = patch.max((0, 1)) if kind == "max" else patch.mean((0, 1))
    return out


@given(
    kind=st.sampled_from(["max", "avg"]),
    window=st.integers(1, 3),
    stride=st.integers(1, 3),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
)
@settings(max_examples=15)
def test_ceil_pools_keep_the_last_partial_window(kind, window, stride, height, width):
    if stride > window and ((height - window) % stride or (width - window) % stride):
        stride = window  # Caffe has no window that lies wholly outside
    x = np.random.default_rng(0).normal(size=(height, width, 2)).astype(np.float32)
    make = max_pool if kind == "max" else avg_pool
    got = jax.jit(lambda x: pool(make(window, stride, "CEIL"), x))(x[None])[0]
    np.testing.assert_allclose(got, caffe_pool(x, kind, window, stride), rtol=1e-5, atol=1e-6)


@given(
    window=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID"]),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    count=st.booleans(),
)
@settings(max_examples=15)
def test_pools_equal_flax(window, stride, padding, size, count):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    shape, strides = (window, window), (stride, stride)
    averages = avg_pool(window, stride, padding, count_padding=count)

    @jax.jit
    def pooled(x):
        ours = pool(max_pool(window, stride, padding), x), pool(averages, x)
        largest = nn.max_pool(x, shape, strides, padding)
        return ours, (largest, nn.avg_pool(x, shape, strides, padding, count_include_pad=count))

    got, want = pooled(x)
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_allclose(got[1], want[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [max_pool, avg_pool])
@pytest.mark.parametrize("stride", [1, 2])
def test_pool_gradients_equal_reduce_window(make, stride):
    x = jax.random.normal(jax.random.key(0), (2, 7, 8, 3))

    def plain(x):
        shape, strides = (3, 3), (stride, stride)
        if make is max_pool:
            return nn.max_pool(x, shape, strides, "SAME")
        return nn.avg_pool(x, shape, strides, "SAME", count_include_pad=False)

    want = jax.jit(jax.grad(lambda x: (plain(x) ** 3).sum()))(x)
    got = jax.jit(jax.grad(lambda x: (pool(make(3, stride), x) ** 3).sum()))(x)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_a_window_larger_than_the_map_is_named():
    with pytest.raises(MapTooSmall, match="3x3 window does not fit on a 2x5 map"):
        pool(max_pool(3, 2, "VALID"), jnp.zeros((1, 2, 5, 1)))


def test_local_response_norm_equals_the_formula():
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 9)).astype(np.float32) * 50
    want = np.empty_like(x)
    for c in range(9):
        total = (x[..., max(c - 2, 0) : c + 3].astype(np.float64) ** 2).sum(-1)
        want[..., c] = x[..., c] / (1 + 1e-4 / 5 * total) ** 0.75
    np.testing.assert_allclose(local_response_norm(LocalResponseNorm(), jnp.asarray(x)), want, rtol=2e-6)


@pytest.mark.parametrize("group", [0, 1, 2, 4, 8])
@pytest.mark.parametrize("fused", [True, False])
def test_batch_statistics_of_every_group_size(group, fused):
    """Normalised values and running statistics against NumPy in double precision."""
    spec = BatchNormSpec(epsilon=1e-3, decay=0.9, scale=True, group_size=group)
    unit = ConvNorm(conv(8, 1), Style(norm=spec, fused=fused, activation=lambda x: x), 3)
    x = jax.random.normal(jax.random.key(0), (8, 4, 5, 3)) * 2 + 1
    variables = jax.jit(unit.init, static_argnums=2)(jax.random.key(1), x, True)
    got, updated = jax.jit(lambda x: unit.apply(variables, x, True, mutable=["batch_stats"]))(x)
    kernel = np.asarray(variables["params"]["kernel"], np.float64)[0, 0]
    y = (np.asarray(x, np.float64) @ kernel).reshape(8 // (group or 8), -1, 8)
    mean, var = y.mean(1, keepdims=True), y.var(1, keepdims=True)
    np.testing.assert_allclose(got, ((y - mean) / np.sqrt(var + 1e-3)).reshape(got.shape), rtol=1e-4, atol=1e-5)
    unbiased = y.var(1, ddof=1).mean(0)
    statistics: Any = updated["batch_stats"]
    np.testing.assert_allclose(statistics["norm"]["mean"], 0.1 * mean.mean((0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(statistics["norm"]["var"], 0.9 + 0.1 * unbiased, rtol=1e-5)


@given(features=st.integers(1, 2048), width=st.floats(0.01, 8))
def test_scaled_channels_are_multiples_of_eight_near_the_product(features, width):
    channels = scaled(features, width)
    assert scaled(features, 1) == features
    if width != 1:
        assert channels % 8 == 0
        assert channels == 8 or abs(channels - features * width) <= 4
