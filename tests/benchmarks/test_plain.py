"""The plain form computes what the project's networks compute: the comparison is between equals."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from benchmarks import step
from benchmarks.plain import plain
from inception_jax import models
from inception_jax.models.auxiliary import AuxiliaryHead
from inception_jax.models.layers import BatchNormSpec, Style
from inception_jax.models.network import Network, abstract_variables
from inception_jax.models.table import (
    WHOLE_MAP,
    AdaptiveAvgPool,
    LocalResponseNorm,
    avg_pool,
    conv,
    inception,
    max_pool,
    residual,
    split,
)

# Every kind of operation, with every kind of edge.
ROWS = (
    ("conv1", conv(8, 5, 2, 2, multiplier=2)),
    ("pool1", max_pool(3, 2, "CEIL")),
    ("norm1", LocalResponseNorm(alpha=0.5)),
    ("conv2", conv(16, 3, padding="VALID", norm=False)),
    (
        "module",
        inception(
            [conv(8)],
            [conv(8), conv(16, 3), split(conv(8, (1, 3)), conv(8, (3, 1)))],
            [avg_pool(3, count_padding=True), conv(8)],
            [avg_pool(3), conv(8)],
            [max_pool(3, padding=1)],
        ),
    ),
    ("reduction", inception([conv(8, 3, 2, 1)], [max_pool(3, 2)])),
    ("block1", residual([conv(8)], [conv(8), conv(8, (1, 7))], scale=0.2)),
    ("block2", residual([conv(8, 3)], scale=1.0, activate=False)),
)
HEADS = (
    AuxiliaryHead(
        "aux2", "reduction", (("pool", AdaptiveAvgPool(3)), ("fc", conv(16, WHOLE_MAP, padding="VALID", norm=False)))
    ),
    AuxiliaryHead("aux1", "module", (("pool", avg_pool(5, 3, "VALID")), ("conv", conv(8, linear=True)))),
)
# In double precision: in single, batch norm over four small images magnifies rounding to the size of a mistake.
STYLE = Style(
    BatchNormSpec(scale=True, group_size=0), activation=nn.sigmoid, biased=True, dtype=jnp.float64, fused=False
)


def in_plain_names(tree):
    """Our variables under the names of the plain network: a convolution's kernel lies in an `nn.Conv` of its own."""
    renamed = {}
    for path, leaf in traverse_util.flatten_dict(tree).items():
        *outer, last = path
        if outer[-1] in ("norm", "logits"):
            renamed[path] = leaf
        elif last == "depthwise":
            renamed[(*outer, "depthwise", "kernel")] = leaf
        else:
            renamed[(*outer, "conv", last)] = leaf
    return traverse_util.unflatten_dict(renamed)


TIMED = [(name, step.VARIANTS.get(name, "")) for name in models.names()]


@pytest.mark.parametrize(("name", "variant"), [*TIMED, ("bn_inception", "caffe"), ("inception_resnet_v1", "facenet")])
def test_every_network_has_the_same_variables(name, variant):
    size = models.architecture(name, variant).input_size
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    ours = models.create(name, variant=variant)
    expected = in_plain_names(abstract_variables(ours, images))
    found = jax.eval_shape(plain(ours).init, jax.random.key(0), images)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert jax.tree.leaves(found) == jax.tree.leaves(expected)


def test_same_parameters_give_the_same_outputs_and_gradients():
    with jax.enable_x64(True):
        check_equality()


def check_equality():
    ours = Network(ROWS, HEADS, num_classes=5, dropout=0.0, style=STYLE, logits_stddev=0.1)
    other = plain(ours)
    images = np.random.default_rng(1).uniform(-1, 1, (4, 33, 33, 3))
    variables = random_like(abstract_variables(ours, jax.ShapeDtypeStruct(images.shape, images.dtype)))

    def losses(network, variables):
        def loss(params):
            out, updates = network.apply({**variables, "params": params}, images, True, mutable=["batch_stats"])
            logits = jnp.stack([out.logits, *out.aux_logits])
            return jnp.sin(logits).sum(), (logits, updates["batch_stats"])

        (_, (logits, batch_stats)), gradients = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        return {"logits": logits, "infer": network.apply(variables, images).logits}, gradients, batch_stats

    found, found_gradients, found_stats = jax.jit(losses, static_argnums=0)(other, in_plain(variables))
    expected, gradients, stats = jax.jit(losses, static_argnums=0)(ours, variables)
    assert_close(found, expected, 1e-5)
    assert_close(found_gradients, in_plain_names(gradients), 1e-4)
    assert_close(running_means(found_stats), running_means(stats), 1e-5)


def running_means(batch_stats):
    """Not the variances: Flax keeps those of the batch, this project the unbiased ones of the paper."""
    return {path: leaf for path, leaf in traverse_util.flatten_dict(batch_stats).items() if path[-1] == "mean"}


def random_like(shapes):
    """Float64: kernels that keep the size of activations; everything else around 1."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        if len(leaf.shape) > 1:
            return rng.normal(0, np.sqrt(2 / np.prod(leaf.shape[:-1])), leaf.shape)
        return rng.uniform(0.5, 1.5, leaf.shape)

    return jax.tree.map(draw, shapes)


def in_plain(variables):
    return {collection: in_plain_names(tree) for collection, tree in variables.items()}


def assert_close(found, expected, share):
    """Within `share` of the largest number of each leaf, or of a thousandth of that of the tree.

    A bias before a batch norm has no gradient: what is left of it is rounding.
    """
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    floor = 1e-3 * max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    for (path, a), b in zip(jax.tree.leaves_with_path(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(
            a, b, atol=share * max(np.abs(b).max(), floor), rtol=0, err_msg=jax.tree_util.keystr(path)
        )
