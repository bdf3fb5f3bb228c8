from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inception_jax.config import Optimizer
from inception_jax.training.optimizers import make_optimizer

SHAPES = {"conv": {"kernel": (3, 4), "bias": (4,)}, "norm": {"scale": (4,)}}
LEAVES = [("conv", "kernel"), ("conv", "bias"), ("norm", "scale")]


def numbers(rng):
    return {a: {b: rng.normal(size=s).astype(np.float32) for b, s in part.items()} for a, part in SHAPES.items()}


def run(config, gradients, start, schedule) -> Any:
    optimizer = make_optimizer(config, schedule)
    params: Any = {a: {b: jnp.array(x) for b, x in part.items()} for a, part in start.items()}
    state = optimizer.init(params)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params


def halving(step):
    return 0.1 * 0.5 ** (step // 7)


def by_hand(rule, gradients, params, *, weight_decay=0.0, clip=0.0):
    """The update in float64, leaf by leaf; `rule(memory, gradient, rate) -> step`."""
    params = {leaf: params[leaf[0]][leaf[1]].astype(np.float64) for leaf in LEAVES}
    memory = {leaf: {} for leaf in LEAVES}
    for count, tree in enumerate(gradients):
        gradient = {leaf: tree[leaf[0]][leaf[1]].astype(np.float64) for leaf in LEAVES}
        gradient["conv", "kernel"] += weight_decay * params["conv", "kernel"]
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        factor = min(1.0, clip / norm) if clip else 1.0
        for leaf in LEAVES:
            params[leaf] -= rule(memory[leaf], gradient[leaf] * factor, halving(count))
    return params


def tensorflow_rmsprop(decay, momentum, epsilon):
    """`ApplyRMSProp` of TensorFlow 1: ms from one, epsilon inside the root, rate inside the momentum."""

    def rule(memory, g, rate):
        memory["ms"] = decay * memory.get("ms", np.ones_like(g)) + (1 - decay) * g * g
        memory["mom"] = momentum * memory.get("mom", 0.0) + rate * g / np.sqrt(memory["ms"] + epsilon)
        return memory["mom"]

    return rule


def tensorflow_momentum(momentum):
    """`ApplyMomentum` of TensorFlow 1: the rate multiplies the accumulator."""

    def rule(memory, g, rate):
        memory["accumulator"] = momentum * memory.get("accumulator", 0.0) + g
        return rate * memory["accumulator"]

    return rule


def check(config, rule, **terms):
    rng = np.random.default_rng(0)
    params, gradients = numbers(rng), [numbers(rng) for _ in range(20)]
    found = run(config, gradients, params, lambda step: jnp.float32(halving(step)))
    for (part, name), expected in by_hand(rule, gradients, params, **terms).items():
        np.testing.assert_allclose(found[part][name], expected, rtol=2e-5, atol=2e-6, err_msg=f"{part}/{name}")


@pytest.mark.parametrize("epsilon", [1.0, 1e-3])
def test_rmsprop_is_that_of_tensorflow_1(epsilon):
    config = Optimizer(name="rmsprop", rms_decay=0.9, momentum=0.8, epsilon=epsilon)
    check(config, tensorflow_rmsprop(0.9, 0.8, epsilon))


def test_momentum_is_that_of_tensorflow_1():
    check(Optimizer(name="momentum", momentum=0.9), tensorflow_momentum(0.9))


@pytest.mark.parametrize("name", ["momentum", "rmsprop"])
def test_l2_is_coupled_and_on_kernels_only(name):
    rule = tensorflow_momentum(0.9) if name == "momentum" else tensorflow_rmsprop(0.9, 0.9, 1.0)
    check(Optimizer(name=name, weight_decay=0.3), rule, weight_decay=0.3)


def test_clipping_sees_the_norm_over_all_leaves_with_l2():
    config = Optimizer(name="momentum", weight_decay=0.3, clip_norm=2.0)
    check(config, tensorflow_momentum(0.9), weight_decay=0.3, clip=2.0)


def test_nesterov_looks_ahead():
    def rule(memory, g, rate):
        memory["v"] = 0.9 * memory.get("v", 0.0) + g
        return rate * (0.9 * memory["v"] + g)

    check(Optimizer(name="momentum", momentum=0.9, nesterov=True), rule)
