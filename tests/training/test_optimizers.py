import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inception_jax.config import ConfigError, Optimizer, resolve
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


def caffe_sgd(momentum):
    """`SGDSolver`: the rate, with its multiplier, goes into the history; the history is the step."""

    def rule(memory, g, rate):
        memory["history"] = momentum * memory.get("history", 0.0) + rate * g
        return memory["history"]

    return rule


def test_caffe_keeps_the_rate_inside_the_history():
    check(Optimizer(name="caffe", momentum=0.9, weight_decay=0.3), caffe_sgd(0.9), weight_decay=0.3)


def test_caffes_biases_learn_twice_as_fast_and_do_not_decay():
    config = Optimizer(name="caffe", momentum=0.9, weight_decay=0.3, multipliers="bias$=2")
    rng = np.random.default_rng(0)
    start, gradients = numbers(rng), [numbers(rng) for _ in range(20)]
    found = run(config, gradients, start, lambda step: jnp.float32(halving(step)))
    for leaf, rate, decay in (("kernel", 1.0, 0.3), ("bias", 2.0, 0.0)):
        w, history = start["conv"][leaf].astype(np.float64), 0.0
        for count, gradient in enumerate(gradients):
            local = rate * halving(count)
            history = 0.9 * history + local * (gradient["conv"][leaf] + decay * w)
            w = w - history
        np.testing.assert_allclose(found["conv"][leaf], w, rtol=2e-5, atol=2e-6, err_msg=leaf)


def test_adamw_decays_beside_the_gradient():
    """Loshchilov and Hutter, algorithm 2, with the rate on both terms as in public code."""

    def rule(memory, g, rate):
        t = memory["t"] = memory.get("t", 0) + 1
        memory["m"] = 0.8 * memory.get("m", 0.0) + 0.2 * g
        memory["v"] = 0.95 * memory.get("v", 0.0) + 0.05 * g * g
        return rate * (memory["m"] / (1 - 0.8**t)) / (np.sqrt(memory["v"] / (1 - 0.95**t)) + 1e-3)

    config = Optimizer(name="adamw", momentum=0.8, rms_decay=0.95, epsilon=1e-3)
    check(config, rule)
    rng = np.random.default_rng(0)
    start, gradient = numbers(rng), numbers(rng)
    plain = run(config, [gradient], start, lambda step: 0.1)
    decayed = run(dataclasses.replace(config, weight_decay=0.3), [gradient], start, lambda step: 0.1)
    lost = {leaf: plain[leaf[0]][leaf[1]] - decayed[leaf[0]][leaf[1]] for leaf in LEAVES}
    np.testing.assert_allclose(lost["conv", "kernel"], 0.03 * start["conv"]["kernel"], rtol=1e-4, atol=1e-6)
    assert not lost["conv", "bias"].any()


def test_lamb_takes_steps_of_the_size_of_the_weights():
    """You et al. 2020, algorithm 2: a step as long as rate * |w| in every layer."""
    rng = np.random.default_rng(0)
    start, gradient = numbers(rng), numbers(rng)
    after = run(Optimizer(name="lamb", weight_decay=0.1), [gradient], start, lambda step: 0.01)
    for part, name in LEAVES:
        step = np.linalg.norm(after[part][name] - start[part][name])
        np.testing.assert_allclose(step, 0.01 * np.linalg.norm(start[part][name]), rtol=1e-3)


def test_adagrad_divides_by_the_root_of_all_squares_and_has_no_momentum():
    rng = np.random.default_rng(0)
    start, gradients = numbers(rng), [numbers(rng) for _ in range(3)]
    for gradient in gradients:
        gradient["norm"]["scale"][0] = 0.0
    after = run(Optimizer(name="adagrad", weight_decay=0.0), gradients, start, lambda step: 0.1)
    for part, name in LEAVES:
        expected, squares = np.float64(start[part][name]), 0.0
        for gradient in gradients:
            g = np.float64(gradient[part][name])
            squares = squares + g**2
            expected = expected - 0.1 * np.divide(g, np.sqrt(squares), out=np.zeros_like(g), where=squares > 0)
        np.testing.assert_allclose(after[part][name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "lamb", "rmsprop"])
def test_what_a_config_leaves_to_the_rule_is_the_rules_own(name):
    own = {"rmsprop": (0.9, 1.0), "adamw": (0.999, 1e-8), "lamb": (0.999, 1e-6)}[name]
    rng = np.random.default_rng(0)
    start, gradients = numbers(rng), [numbers(rng) for _ in range(3)]
    left = run(Optimizer(name=name), gradients, start, lambda step: 0.1)
    said = run(Optimizer(name=name, rms_decay=own[0], epsilon=own[1]), gradients, start, lambda step: 0.1)
    for part, leaf in LEAVES:
        np.testing.assert_array_equal(left[part][leaf], said[part][leaf])


@pytest.mark.parametrize("name", ["momentum", "caffe", "rmsprop", "adagrad", "adamw", "lamb"])
def test_a_frozen_parameter_keeps_its_bits_and_counts_for_nothing(name):
    config = Optimizer(name=name, weight_decay=0.3, clip_norm=0.5, freeze="^(?!norm)")
    rng = np.random.default_rng(0)
    start, gradients = numbers(rng), [numbers(rng) for _ in range(3)]
    config = dataclasses.replace(config, decayed="scale$")
    after = run(config, gradients, start, lambda step: 0.1)
    alone = run(config, [{**g, "conv": {k: 0 * v for k, v in g["conv"].items()}} for g in gradients], start, halving)
    for leaf in ("kernel", "bias"):
        np.testing.assert_array_equal(after["conv"][leaf], start["conv"][leaf])
    assert (after["norm"]["scale"] != start["norm"]["scale"]).all()
    same_rate = run(config, gradients, start, halving)
    np.testing.assert_array_equal(alone["norm"]["scale"], same_rate["norm"]["scale"])
    state = make_optimizer(config, lambda step: 0.1).init({k: dict(v) for k, v in start.items()})
    assert sum(x.size for x in jax.tree.leaves(state)) <= 3 + 2 * start["norm"]["scale"].size


def test_the_first_pattern_decides_and_the_others_stay():
    rng = np.random.default_rng(0)
    start, gradients = numbers(rng), [numbers(rng) for _ in range(3)]
    plain = run(Optimizer(), gradients, start, lambda step: 0.1)
    grouped = run(Optimizer(multipliers="^conv/bias=0; conv=10"), gradients, start, lambda step: 0.1)
    for (part, name), factor in zip(LEAVES, (10, 0, 1), strict=True):
        moved, expected = (tree[part][name] - start[part][name] for tree in (grouped, plain))
        np.testing.assert_allclose(moved, factor * expected, rtol=1e-4, atol=1e-5)


def test_the_pattern_says_what_decays():
    config = Optimizer(weight_decay=0.3, decayed="scale$")
    start = numbers(np.random.default_rng(0))
    still = {part: {name: np.zeros_like(x) for name, x in leaves.items()} for part, leaves in start.items()}
    after = run(config, [still], start, lambda step: 0.1)
    np.testing.assert_array_equal(after["conv"]["kernel"], start["conv"]["kernel"])
    np.testing.assert_allclose(after["norm"]["scale"], 0.97 * start["norm"]["scale"], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"freeze": "^logitz"}, r"config\.optimizer\.freeze: '\^logitz' is found in no parameter's path \(conv/"),
        ({"multipliers": "biases$=2"}, r"config\.optimizer\.multipliers: 'biases\$' is found in no"),
        ({"weight_decay": 0.1, "decayed": "weights"}, r"config\.optimizer\.decayed: 'weights' is found in no"),
    ],
)
def test_a_pattern_that_is_found_nowhere_is_named_before_training(change, words):
    with pytest.raises(ConfigError, match=words):
        make_optimizer(Optimizer(**change), lambda step: 0.1).init(numbers(np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("freeze", "(", "config.optimizer.freeze ('(') is no regular expression"),
        ("decayed", "[", "config.optimizer.decayed ('[') is no regular expression"),
        ("multipliers", "bias", "'bias' must be PATTERN=FACTOR"),
        ("multipliers", "bias=two", "'bias=two' must be PATTERN=FACTOR"),
        ("multipliers", "bias=-1", "'bias=-1' must be PATTERN=FACTOR"),
        ("multipliers", "bias=nan", "'bias=nan' must be PATTERN=FACTOR"),
        ("multipliers", "a=1; (=2", "config.optimizer.multipliers ('(') is no regular expression"),
    ],
)
def test_a_group_that_cannot_be_read_is_refused_with_the_config(field, text, words):
    with pytest.raises(ConfigError) as error:
        resolve({"optimizer": {field: text}})
    assert words in str(error.value)


with np.load(Path(__file__).parents[1] / "goldens" / "tensorflow.npz") as golden:
    TENSORFLOW = dict(golden)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("rmsprop_1", Optimizer(name="rmsprop", momentum=0.9)),
        ("rmsprop_0.001", Optimizer(name="rmsprop", momentum=0.9, epsilon=1e-3)),
        ("momentum", Optimizer(name="momentum", momentum=0.9)),
        ("nesterov", Optimizer(name="momentum", momentum=0.9, nesterov=True)),
    ],
)
def test_twenty_steps_are_those_of_tensorflow_itself(name, config):
    optimizer = make_optimizer(config, lambda step: jnp.asarray(TENSORFLOW["rates"])[step])
    params: Any = {"kernel": jnp.array(TENSORFLOW["start"])}
    state = optimizer.init(params)
    for gradient, expected in zip(TENSORFLOW["gradients"], TENSORFLOW[name], strict=True):
        updates, state = optimizer.update({"kernel": jnp.array(gradient)}, state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params["kernel"], expected, rtol=1e-5, atol=1e-6)
