"""Ways of executing one network: scanned blocks and rematerialised stages change neither results nor parameters."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax import models
from inception_jax.models.auxiliary import AuxiliaryHead
from inception_jax.models.geometry import stages
from inception_jax.models.layers import BatchNormSpec, Style
from inception_jax.models.network import Network
from inception_jax.models.table import avg_pool, conv, inception, max_pool, residual

MIXED = inception([conv(8)], [conv(4), conv(8, 3)], [avg_pool(3), conv(8)])  # 24 channels
BLOCK = residual([conv(8)], [conv(4), conv(8, (1, 3))], scale=0.2)
ROWS = (
    ("stem", conv(12, 3, 2)),
    *((f"mixed_{n}", MIXED) for n in range(3)),  # the first has another input, so only two are alike
    ("reduction", inception([conv(16, 3, 2)], [max_pool(3, 2)])),
    *((f"block_{n}", BLOCK) for n in range(3)),
    ("last", residual([conv(8)], scale=1.0, activate=False)),
)
HEAD = AuxiliaryHead("aux", "block_1", (("conv", conv(8)),))
IMAGES = jax.random.normal(jax.random.key(0), (4, 12, 12, 3))


def network(**execution) -> Network:
    style = Style(norm=BatchNormSpec(group_size=2, decay=0.5))
    return Network(ROWS, (HEAD,), num_classes=5, dropout=0.3, style=style, **execution)


@functools.cache
def variables(**execution) -> Any:
    return jax.jit(network(**execution).init)(jax.random.key(1), IMAGES)


@functools.cache
def results(**execution) -> Any:
    """Everything that a training step makes, gradients, logits, endpoints and statistics; and logits at inference."""

    def loss(params):
        rngs = {"dropout": jax.random.key(2)}
        changed = {**variables(), "params": params}
        out, updated = network(**execution).apply(changed, IMAGES, train=True, rngs=rngs, mutable=["batch_stats"])
        total = (out.logits * jnp.arange(5.0)).sum() + (out.aux_logits[0] * jnp.arange(5.0)).sum()
        return total, (out, updated)

    used: Any = jax.jit(network(**execution).apply)(variables(), IMAGES)
    return jax.jit(jax.grad(loss, has_aux=True))(variables()["params"]), used.logits


# The first holds both; each alone is a second example of the same.
EXECUTIONS = [
    {"scan": True, "remat": 2},
    {"remat": 1},
    pytest.param({"scan": True}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("execution", EXECUTIONS, ids=str)
def test_execution_changes_no_result(execution):
    jax.tree.map(np.testing.assert_array_equal, variables(), variables(**execution))
    (want, plain), (got, used) = results(), results(**execution)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(want), strict=True):
        assert jnp.abs(a - b).max() <= 1e-5 * jnp.abs(b).max() + 1e-6, jax.tree_util.keystr(path)
    np.testing.assert_allclose(used, plain, rtol=1e-5, atol=1e-5)


def loops(jaxpr) -> list[int]:
    """Lengths of the scans of a computation, in order."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            found.append(equation.params["length"])
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                found += loops(inner)
    return found


def test_equal_blocks_in_a_row_become_one_loop():
    def lengths(**execution):
        return loops(jax.make_jaxpr(network(**execution).apply)(variables(), IMAGES).jaxpr)

    assert lengths() == []
    assert lengths(scan=True) == [2, 3]  # mixed_1 and 2, and block_0 to 2


def test_a_rematerialised_stage_keeps_less_for_the_backward_pass():
    def kept(**execution):
        apply = network(**execution).apply
        rngs = {"dropout": jax.random.key(2)}

        def logits(params):
            changed = {**variables(), "params": params}
            out: Any = apply(changed, IMAGES, train=True, rngs=rngs, mutable=["batch_stats"])[0]
            return out.logits

        backward = jax.eval_shape(lambda params: jax.vjp(logits, params)[1], variables()["params"])
        return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(backward))

    assert kept() > 1.5 * kept(remat=1) > 1.5 * 1.2 * kept(remat=2)


def test_stages_begin_where_the_map_shrinks():
    names = [[name for name, _ in stage] for stage in stages(ROWS)]
    assert names == [
        ["stem", *(f"mixed_{n}" for n in range(3))],
        ["reduction", "block_0", "block_1", "block_2", "last"],
    ]
    v3 = [[name for name, _ in stage] for stage in stages(models.architecture("inception_v3").rows)]
    assert [stage[0] for stage in v3] == ["conv2d_1a", "max_pool_3a", "max_pool_5a", "mixed_6a", "mixed_7a"]


@pytest.mark.parametrize("remat", [-1, 6])
def test_a_stage_that_does_not_exist_is_refused(remat):
    with pytest.raises(ValueError, match=f"remat must be 0 to 5, the stages of inception_v3, got {remat}"):
        models.create("inception_v3", remat=remat)
