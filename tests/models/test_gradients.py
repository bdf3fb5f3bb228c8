"""A gradient reaches every parameter of every variant, auxiliary heads included.

In double precision, so that rounding noise cannot pass for a gradient. Run operation by operation: equal blocks
share what is compiled, where compiling a whole network's gradient takes up to a minute.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax import models
from tests.goldens.make_endpoints import inputs

# Half a minute each: one in the suite, the others in `make test-all`.
VARIANTS = [
    pytest.param(name, variant, marks=[] if (name, variant) == ("googlenet", "slim") else pytest.mark.slow)
    for name in models.names()
    for variant in models.variants(name)
]


def create(name: str, variant: str, **options: Any) -> models.Network:
    """8 channels everywhere, and two groups of images."""
    return models.create(
        name, variant=variant, width=0.01, num_classes=5, bn_group_size=2, dtype=jnp.float64, **options
    )


def gradients(network: models.Network) -> dict[str, np.ndarray]:
    """Of the sum of all logits, each weighed at random, with respect to every parameter, by path."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        variables, images = inputs(network, batch=4, last=2)

        def all_logits(params: Any) -> tuple[jax.Array, ...]:
            rngs = {"dropout": jax.random.key(0)}
            out: Any = network.apply(
                {**variables, "params": params}, images, train=True, rngs=rngs, mutable=["batch_stats"]
            )[0]
            return out.logits, *out.aux_logits

        params = jax.tree.map(np.float64, variables["params"])
        logits, transpose = jax.vjp(all_logits, params)
        assert len(logits) == 1 + len(network.heads)
        (tree,) = transpose(tuple(jnp.asarray(rng.normal(size=z.shape), z.dtype) for z in logits))
        leaves = jax.tree.leaves_with_path(tree)
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


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_gradient_reaches_every_parameter(name, variant):
    found = gradients(create(name, variant))
    assert dead(found) == redundant(found)
