"""Update rules as optax chains, with groups of parameters."""

from __future__ import annotations

from typing import Any

import jax
import optax

from inception_jax.config import Optimizer
from inception_jax.training.groups import matching, scale_groups

_OWN = {"rmsprop": (0.9, 1.0), "adagrad": (1.0, 1e-30), "adamw": (0.999, 1e-8), "lamb": (0.999, 1e-6)}
"""`rms_decay` and `epsilon` of a rule where the config leaves them to it."""


def make_optimizer(config: Optimizer, schedule: optax.Schedule) -> optax.GradientTransformation:
    """The chain that turns the mean gradient of the loss into an update.

    Coupled L2 comes first: `weight_decay * w` joins the gradient, as the gradient of `weight_decay * |w|^2 / 2`
    in the loss would (`tf.nn.l2_loss`), so that clipping and RMSProp see it.

    `momentum`: v <- m v + g, w <- w - lr v (TensorFlow, PyTorch).

    `caffe`: v <- m v + lr g, w <- w - v. The two differ in the updates after the rate changes. Caffe's usual
    `lr_mult` 2 on biases is `multipliers="bias$=2"`.

    `rmsprop` as TensorFlow 1 computes it: the mean square starts at one, epsilon is inside the root and the
    learning rate inside the momentum buffer: v <- m v + lr g / sqrt(ms + epsilon), w <- w - v.

    `adagrad` as DistBelief's server has it (section 4.1): w <- w - lr g / sqrt(sum of g^2), where
    the sum is from the first update on and includes this one; no move where there never was a gradient. The paper has
    no epsilon, and this one is for squares that float32 cannot hold.

    `adamw` and `lamb`: optax's, whose decay is not part of the gradient.

    A frozen parameter is not touched by L2 either, does not count for clipping, and has no optimizer state.
    """
    rule = optax.chain(*_coupled(config, schedule) if config.name not in ("adamw", "lamb") else _adam(config, schedule))
    if config.freeze:
        rule = optax.partition({"trained": rule, "frozen": optax.set_to_zero()}, _labels(config.freeze))
    return optax.chain(rule, scale_groups(config.multipliers)) if config.multipliers else rule


def _coupled(config: Optimizer, schedule: optax.Schedule) -> list[optax.GradientTransformation]:
    steps = []
    if config.weight_decay:
        steps.append(optax.add_decayed_weights(config.weight_decay, mask=_decayed(config)))
    if config.clip_norm:
        steps.append(optax.clip_by_global_norm(config.clip_norm))
    if config.name == "momentum":
        return [*steps, optax.sgd(schedule, momentum=config.momentum, nesterov=config.nesterov)]
    if config.name == "caffe":
        steps.append(optax.scale_by_learning_rate(schedule))
        return [*steps, optax.trace(config.momentum, nesterov=config.nesterov)]
    decay, epsilon = constants(config)
    if config.name == "adagrad":
        scale = optax.scale_by_rss(initial_accumulator_value=0.0, eps=epsilon)
        return [*steps, scale, optax.scale_by_learning_rate(schedule)]
    rms = optax.rmsprop(
        schedule,
        decay=decay,
        eps=epsilon,
        initial_scale=1.0,
        eps_in_sqrt=True,
        momentum=config.momentum,
        nesterov=config.nesterov,
    )
    return [*steps, rms]


def _adam(config: Optimizer, schedule: optax.Schedule) -> list[optax.GradientTransformation]:
    decay, epsilon = constants(config)
    common: dict[str, Any] = {"b1": config.momentum, "b2": decay, "eps": epsilon, "weight_decay": config.weight_decay}
    if config.weight_decay:
        common["mask"] = _decayed(config)
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    if config.name == "lamb":
        return [*clip, optax.lamb(schedule, **common)]
    return [*clip, optax.adamw(schedule, nesterov=config.nesterov, **common)]


def constants(config: Optimizer) -> tuple[float, float]:
    """`rms_decay` and `epsilon` of `rmsprop`, `adagrad`, `adamw` or `lamb`: the config's, else the rule's own."""
    decay, epsilon = _OWN[config.name]
    return (
        decay if config.rms_decay is None else config.rms_decay,
        epsilon if config.epsilon is None else config.epsilon,
    )


def _decayed(config: Optimizer) -> Any:
    return lambda params: matching("decayed", config.decayed, params)


def _labels(freeze: str) -> Any:
    return lambda params: jax.tree.map(
        lambda frozen: "frozen" if frozen else "trained", matching("freeze", freeze, params)
    )
