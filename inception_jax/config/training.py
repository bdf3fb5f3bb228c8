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
    """The update rule, applied to the mean gradient over the global batch.

    Patterns are regular expressions, searched in the path of a parameter: `inception_3a/conv_1/kernel`.
    """

    name: str = choice(
        "momentum",
        ("momentum", "caffe", "rmsprop", "adagrad", "adamw", "lamb"),
        "momentum SGD as TensorFlow or as Caffe computes it, RMSProp as TensorFlow 1 does, Adagrad, AdamW, LAMB",
    )
    learning_rate: float = number(0.01, 0.0, 1e3, "the schedule's peak")
    momentum: float = number(0.9, 0.0, 0.9999, "decay of the momentum buffer, not for Adagrad; AdamW, LAMB: beta 1")
    nesterov: bool = value(False, "look ahead along the momentum; not for LAMB and Adagrad")
    rms_decay: float | None = number(
        None, 0.0, 0.999999, "decay of the mean square, Adam's beta 2; None: 0.9 for RMSProp, 0.999 for AdamW and LAMB"
    )  # type: ignore[arg-type]
    epsilon: float | None = number(
        None, 0.0, 1e3, "RMSProp, Adagrad: inside the root, None: 1, 1e-30; AdamW, LAMB: beside it, None: 1e-8, 1e-6"
    )  # type: ignore[arg-type]
    weight_decay: float = number(0.0, 0.0, 10.0, "coupled, as wd * |w|^2 / 2 in the loss; AdamW, LAMB: decoupled")
    decayed: str = value("kernel$", "pattern of the parameters that `weight_decay` is for")
    multipliers: str = value(
        "", "learning rates of groups: `bias$=2; ^logits=10` doubles that of biases; the first pattern found counts"
    )
    freeze: str = value("", "pattern of parameters that are not trained; `^(?!logits)` trains the classifier alone")
    clip_norm: float = number(0.0, 0.0, 1e6, "largest global gradient norm; 0: no clipping")
    accumulate: int = number(1, 1, 4096, "microbatches whose gradients are averaged into one update")


@dataclass(frozen=True)
class Schedule:
    """The learning rate over training, in epochs."""

    name: str = choice(
        "constant", ("constant", "staircase", "exponential", "poly", "cosine"), "shape after the warm-up"
    )
    decay_factor: float = number(0.94, 1e-6, 1.0, "staircase, exponential: factor per `decay_epochs`")
    decay_epochs: float = number(2.0, 1e-6, 1e6, "staircase, exponential: epochs per factor")
    decay_steps: int = number(0, 0, 10**12, "staircase, exponential: updates per factor; 0: from `decay_epochs`")
    power: float = number(0.5, 0.0, 10.0, "poly: of the share of training that is left")
    cold_epochs: float = number(0.0, 0.0, 1e6, "held at `cold_fraction` of the peak before the warm-up")
    cold_fraction: float = number(0.1, 0.0, 1.0, "rate of cold epochs, as a share of the peak")
    warmup_epochs: float = number(0.0, 0.0, 1e6, "linear rise from zero, or from the rate of cold epochs")
    overlay: bool = value(False, "the shape counts from the first update on, and the warm-up replaces its beginning")
    final_fraction: float = number(0.0, 0.0, 1.0, "floor, as a share of the peak")


@dataclass(frozen=True)
class Average:
    """Average of parameters and batch statistics over the updates; evaluation uses it."""

    name: str = choice(
        "exponential", ("exponential", "uniform"), "moving average, or Polyak's: the plain mean of every update's"
    )
    decay: float = number(0.0, 0.0, 0.999999, "exponential: 0 is no averaging")
    ramp: bool = value(
        True, "exponential: decay at update n is min(decay, (1 + n) / (10 + n)), as TensorFlow's num_updates"
    )
    start_step: int = number(0, 0, 10**12, "uniform: the first update that counts; until then it is the newest")

    @property
    def on(self) -> bool:
        """Whether anything is averaged."""
        return self.name == "uniform" or self.decay > 0


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
