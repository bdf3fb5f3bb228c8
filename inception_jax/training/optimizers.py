"""Update rules as optax chains: L2 on kernels, then clipping, then momentum SGD or TensorFlow 1's RMSProp."""

from __future__ import annotations

from typing import Any

import jax
import optax

from inception_jax.config import Optimizer


def make_optimizer(config: Optimizer, schedule: optax.Schedule) -> optax.GradientTransformation:
    """The chain that turns the mean gradient of the loss into an update.

    L2 is coupled: `weight_decay * w` joins the gradient, as the gradient of `weight_decay * |w|^2 / 2` in the
    loss would (`tf.nn.l2_loss`). So it comes first, and clipping and RMSProp see it.

    Momentum SGD: v <- m v + g, w <- w - lr v (TensorFlow, and `optax.sgd`). Caffe keeps the learning rate
    inside the buffer, v <- m v + lr g, which differs only in the updates after the rate changes.

    RMSProp as TensorFlow 1 computes it: the mean square starts at one, epsilon is inside the root and the
    learning rate inside the momentum buffer: v <- m v + lr g / sqrt(ms + epsilon), w <- w - v.
    """
    steps = []
    if config.weight_decay:
        steps.append(optax.add_decayed_weights(config.weight_decay, mask=kernels))
    if config.clip_norm:
        steps.append(optax.clip_by_global_norm(config.clip_norm))
    if config.name == "momentum":
        steps.append(optax.sgd(schedule, momentum=config.momentum, nesterov=config.nesterov))
    else:
        steps.append(
            optax.rmsprop(
                schedule,
                decay=config.rms_decay,
                eps=config.epsilon,
                initial_scale=1.0,
                eps_in_sqrt=True,
                momentum=config.momentum,
                nesterov=config.nesterov,
            )
        )
    return optax.chain(*steps)


def kernels(params: Any) -> Any:
    """The tree of `params` with True at leaves named `kernel`: neither biases nor batch norm decay."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
