"""Sections `loss`, `optimizer`, `schedule`, `average`, `checkpoint` and `log`: how a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.config.fields import choice, number, value


@dataclass(frozen=True)
class Loss:
    """Softmax cross-entropy."""

    label_smoothing: float = number(0.0, 0.0, 0.99, "mass spread evenly over all classes")
    aux_weight: float = number(0.3, 0.0, 10.0, "weight of each auxiliary classifier's loss")


@dataclass(frozen=True)
class Optimizer:
    """The update rule, applied to the mean gradient over the global batch."""

    name: str = choice("momentum", ("momentum", "rmsprop"), "momentum SGD, or RMSProp as TensorFlow 1 computes it")
    learning_rate: float = number(0.01, 0.0, 1e3, "the schedule's peak")
    momentum: float = number(0.9, 0.0, 0.9999, "decay of the momentum buffer")
    nesterov: bool = value(False, "look ahead along the momentum")
    rms_decay: float = number(0.9, 0.0, 0.9999, "RMSProp: decay of the mean square")
    epsilon: float = number(1.0, 0.0, 1e3, "RMSProp: added inside the root")
    weight_decay: float = number(0.0, 0.0, 10.0, "L2 on convolution and dense kernels, coupled: wd * |w|^2 / 2")
    clip_norm: float = number(0.0, 0.0, 1e6, "largest global gradient norm; 0: no clipping")
    accumulate: int = number(1, 1, 4096, "microbatches whose gradients are averaged into one update")


@dataclass(frozen=True)
class Schedule:
    """The learning rate over training, in epochs."""

    name: str = choice("constant", ("constant", "staircase", "exponential", "cosine"), "shape after the warm-up")
    decay_factor: float = number(0.94, 1e-6, 1.0, "staircase, exponential: factor per `decay_epochs`")
    decay_epochs: float = number(2.0, 1e-6, 1e6, "staircase, exponential: epochs per factor")
    warmup_epochs: float = number(0.0, 0.0, 1e6, "linear rise from zero")
    final_fraction: float = number(0.0, 0.0, 1.0, "floor, as a share of the peak")


@dataclass(frozen=True)
class Average:
    """Exponential moving average of parameters and batch statistics; evaluation uses it."""

    decay: float = number(0.0, 0.0, 0.999999, "0: no averaging")
    ramp: bool = value(True, "decay at update n is min(decay, (1 + n) / (10 + n)), as TensorFlow's num_updates")


@dataclass(frozen=True)
class Checkpoint:
    """What is kept of a run."""

    every_epochs: float = number(1.0, 0.0, 1e6, "0: only at the end", neutral=True)
    keep_last: int = number(2, 1, 10**6, "newest checkpoints kept", neutral=True)
    keep_best: int = number(1, 0, 10**6, "checkpoints kept for their validation top-1", neutral=True)


@dataclass(frozen=True)
class Log:
    """What is written while training."""

    every_steps: int = number(50, 1, 10**9, "steps averaged into one row of metrics.jsonl")
