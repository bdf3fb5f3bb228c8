"""Multiply-adds against XLA's own count of the lowered networks.

XLA's cost analysis differs from "multiply-adds of convolutions and linear layers" in three ways, each shown below:

- a multiplication and an addition are two operations;
- taps of a convolution that fall on its padding are left out;
- every element of a pool, normalisation or activation counts, and so does each matrix product.

The second is undone by padding the images themselves, the third by subtracting a forward pass whose
convolutions and linear layers are replaced by a constant.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from inception_jax import models
from inception_jax.models import layers
from inception_jax.models.cost import costs
from inception_jax.models.network import abstract_variables

convolve = lax.conv_general_dilated


def shape(*sizes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def flops(f: Any, *arguments: Any) -> float:
    """XLA's count for `f` as lowered, before any optimisation and without compiling."""
    analysis: Any = jax.jit(f).lower(*arguments).cost_analysis()
    return analysis.get("flops", 0.0)


def nhwc(padding: Any, stride: int = 1, groups: int = 1) -> Any:
    return functools.partial(
        convolve,
        window_strides=(stride, stride),
        padding=padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


# On 10 pixels a 3-wide SAME window has 3 taps at 8 places and 2 at both ends, a 7-wide one 7 at 4 places and
# 4, 5, 6 at either end; of stride 2, 3 at 4 places and 2 at one end.
SAME3, SAME7, SAME3_2 = 3 * 8 + 2 * 2, 7 * 4 + 2 * (4 + 5 + 6), 3 * 4 + 2


@pytest.mark.parametrize(
    ("operation", "kernel", "taps"),
    [
        (nhwc("VALID"), (3, 3, 4, 8), (8 * 3) ** 2 * 4 * 8),
        (nhwc("SAME"), (3, 3, 4, 8), SAME3**2 * 4 * 8),
        (nhwc("SAME", 2), (3, 3, 4, 8), SAME3_2**2 * 4 * 8),
        (nhwc("SAME"), (1, 7, 4, 8), 10 * SAME7 * 4 * 8),
        (nhwc("SAME", groups=4), (3, 3, 1, 8), SAME3**2 * 8),
        (jnp.matmul, (4, 8), 100 * 4 * 8),
    ],
)
def test_xla_counts_two_for_each_tap_on_a_pixel(operation, kernel, taps):
    assert flops(operation, shape(1, 10, 10, 4), shape(*kernel)) == 2 * taps


@pytest.mark.parametrize(
    ("operation", "count"),
    [
        (jax.nn.relu, 400),
        (lambda x: (x - 2.0) * 3.0 + 1.0, 1200),
        (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID"), 4 * 4 * 4 * 8),
        (lambda x: lax.pad(x, jnp.float32(0), ((0, 0, 0), (1, 1, 0), (1, 1, 0), (0, 0, 0))), 0),
    ],
)
def test_xla_counts_one_for_each_element_and_none_for_padding(operation, count):
    assert flops(operation, shape(1, 10, 10, 4)) == count


def padded_first(x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Any, **options: Any) -> jax.Array:
    """The same convolution, its padding made pixels that count."""
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in padding), (0, 0, 0)])
    return convolve(x, kernel, strides, "VALID", **options)


def cut_or_filled(x: jax.Array, sizes: Sequence[int]) -> jax.Array:
    """`x` in another shape, at no cost to XLA; still of use, so that what made it is not removed."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, want - n, 0) for n, want in zip(x.shape, sizes, strict=True)])


def no_convolution(x: jax.Array, kernel: jax.Array, strides: Any, padding: Any, **options: Any) -> jax.Array:
    result = jax.eval_shape(lambda x, kernel: convolve(x, kernel, strides, padding, **options), x, kernel)
    return cut_or_filled(x, result.shape)


def no_product(x: jax.Array, kernel: jax.Array, *_: Any, **__: Any) -> jax.Array:
    return cut_or_filled(x, (*x.shape[:-1], kernel.shape[-1]))


def network_flops(network: models.Network, variables: Any, size: int) -> float:
    """Of a forward pass in training, where the auxiliary heads take part."""

    def forward(variables: Any, images: jax.Array) -> Any:
        rngs = {"dropout": jax.random.key(0)}
        output, _ = network.apply(variables, images, train=True, rngs=rngs, mutable=["batch_stats"])
        return output.logits, output.aux_logits

    return flops(forward, variables, shape(1, size, size, 3))


def xla_multiply_adds(network: models.Network, size: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Of convolutions and linear layers, padding included."""
    variables = abstract_variables(network, shape(1, size, size, 3))
    monkeypatch.setattr(lax, "conv_general_dilated", padded_first)
    everything = network_flops(network, variables, size)
    monkeypatch.setattr(lax, "conv_general_dilated", no_convolution)
    monkeypatch.setattr(lax, "dot_general", no_product)  # nn.Dense
    monkeypatch.setattr(layers, "matmul_1x1", lambda units, x: no_product(x, units[0].kernel))
    others = network_flops(network, variables, size)
    return (everything - others) / 2


@pytest.mark.parametrize("name", models.names())
def test_multiply_adds_are_those_that_xla_counts(name, monkeypatch):
    network = models.create(name, fused=False)
    size = models.architecture(name).input_size
    ours = sum(cost.multiply_adds for cost in costs(network, size))
    # 2e-5 of the whole is at most 2 % of its auxiliary heads, which are one part in 200 to 2000
    assert xla_multiply_adds(network, size, monkeypatch) == pytest.approx(ours, rel=2e-5)
