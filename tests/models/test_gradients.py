"""A gradient reaches every parameter of every variant, auxiliary heads included.

In double precision, so that rounding noise cannot pass for a gradient, and as narrow and small as a network goes:
nearly all of the time is compilation. (Operation by operation takes three times as long: it compiles hundreds.)
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax import models
from inception_jax.models.layers import BatchNormSpec, Style
from inception_jax.models.table import conv, residual
from tests.goldens.make_endpoints import inputs


def create(name: str, variant: str, **options: Any) -> models.Network:
    """8 channels everywhere, and two groups of images."""
    return models.create(
        name, variant=variant, width=0.01, num_classes=5, bn_group_size=2, dtype=jnp.float64, **options
    )


def gradients(network: models.Network) -> dict[str, np.ndarray]:
    """Of the sum of all logits, each weighed at random, with respect to every parameter, by path."""

    @jax.jit
    def gradient(params: Any) -> Any:
        def weighed(params: Any) -> jax.Array:
            rngs = {"dropout": jax.random.key(0)}
            out: Any = network.apply(
                {**variables, "params": params}, images, train=True, rngs=rngs, mutable=["batch_stats"]
            )[0]
            logits = (out.logits, *out.aux_logits)
            assert len(logits) == 1 + len(network.heads)
            return jnp.stack([(z * rng.normal(size=z.shape)).sum() for z in logits]).sum()

        rng = np.random.default_rng(0)
        return jax.grad(weighed)(params)

    with jax.enable_x64(True):
        variables, images = inputs(network, batch=4, last=2)
        leaves = jax.tree.leaves_with_path(gradient(jax.tree.map(np.float64, variables["params"])))
        return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def dead(found: dict[str, np.ndarray]) -> set[str]:
    """Parameters whose gradient is zero but for rounding."""
    sizes = {path: np.abs(gradient).max() for path, gradient in found.items()}
    assert np.isfinite(list(sizes.values())).all(), {path for path, size in sizes.items() if not np.isfinite(size)}
    largest = max(sizes.values())
    return {path for path, size in sizes.items() if size < 1e-10 * largest}


def redundant(found: dict[str, np.ndarray]) -> set[str]:
    """Biases in front of a batch norm, which takes every constant away again.

    So does the one behind the 1x1 that follows Inception-ResNet-v2's last block, which is linear.
    """
    own = {path for path in found if path.endswith("/bias") and f"{path.removesuffix('bias')}norm/bias" in found}
    return own | {"block8_10/up/bias"} & set(found)


OPTIONS = [("bn_inception", "paper", {"activation": "sigmoid"})]
# Between them every kind of row, module and head; all others are slow.
QUICK = [("googlenet", "paper"), ("bn_inception", "paper"), ("inception_v3", "slim"), ("inception_resnet_v2", "slim")]


def cases() -> Iterator[Any]:
    """Every variant and the options that change what a gradient passes."""
    every = [(name, variant, {}) for name in models.names() for variant in models.variants(name)]
    for name, variant, options in [*every, *OPTIONS]:
        quick = not options and (name, variant) in QUICK
        yield pytest.param(name, variant, options, marks=[] if quick else pytest.mark.slow)


@pytest.mark.parametrize(("name", "variant", "options"), [*cases()])
def test_a_gradient_reaches_every_parameter(name, variant, options):
    found = gradients(create(name, variant, **options))
    assert dead(found) == redundant(found)


def small(*, scale: float = 0.2, dropout: float = 0.5, biased: bool = False) -> models.Network:
    """A residual block and a head: a scale of 0 cuts off the one, a dropout of 1 the other."""
    block = residual([conv(8)], [conv(8), conv(8, 3)], scale=scale)
    return models.Network(
        rows=(("stem", conv(8, 3, 2)), ("block", block), ("last", conv(8, 3))),
        heads=(models.AuxiliaryHead("aux", "block", (("conv", conv(8)),), dropout),),
        num_classes=5,
        dropout=0.0,
        style=Style(norm=BatchNormSpec(group_size=2), biased=biased, dtype=jnp.float64),
    )


def test_parameters_that_no_gradient_reaches_are_found():
    found = gradients(small())
    assert dead(found) == redundant(found) == set()
    assert dead(gradients(small(scale=0.0))) == {path for path in found if path.startswith("block/")}
    assert dead(gradients(small(dropout=1.0))) == {"aux/conv/kernel", "aux/conv/norm/bias", "aux/logits/kernel"}


def test_only_biases_before_a_batch_norm_may_be_dead():
    found = gradients(small(biased=True))
    assert "block/up/bias" in found  # of a linear convolution, without batch norm
    assert redundant(found) == {
        *("stem/bias", "last/bias", "aux/conv/bias", "block/branch0_conv0_1x1/bias"),
        *("block/branch1_conv0_1x1/bias", "block/branch1_conv1_3x3/bias"),
    }
    assert dead(found) == redundant(found)
