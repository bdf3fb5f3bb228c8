"""The same experiment at another size: a larger batch, a shorter schedule, a miniature, a test.

Every change is cited, so that `inception-jax explain` shows what a miniature or the batch rule made of a recipe.
"""

from __future__ import annotations

from typing import Any

from inception_jax import models
from inception_jax.config import ConfigError
from inception_jax.config.sources import Source, cite
from inception_jax.models.geometry import smallest_input
from inception_jax.models.network import shortened

IMAGES = 1_281_167
"""Training images of ILSVRC-2012."""
MINI_IMAGES = 60_000
"""Of Fashion-MNIST; CIFAR-10 has 50,000, which changes nothing that matters here."""

_TINY = Source("miniature", "a test")


def batch(config: Any, size: int) -> None:
    """The linear rule for a batch of `size` (arXiv 1706.02677, section 2.1).

    The learning rate grows with the batch, so that a pass over the images moves the weights as far; the length in
    passes stays, and with it every schedule; averages reach back over as many images. Batch statistics stay those of
    `bn_group_size` images. A large factor wants a warm-up, which the rule does not add.
    """
    if size < 1:
        raise ConfigError(f"argument batch={size} must be above 0")
    old, optimizer, schedule, average = config.batch_size, config.optimizer, config.schedule, config.average
    factor = size / old
    _change(
        config,
        Source("batch rule", f"as {old} images with a rate of {optimizer.learning_rate:g}, over the same images"),
        batch_size=size,
        optimizer={"learning_rate": optimizer.learning_rate * factor},
        steps=round(config.steps / factor),
        schedule={"decay_steps": round(schedule.decay_steps / factor)},
        average={"decay": average.decay**factor, "start_step": round(average.start_step / factor)},
        model={"bn_decay": bn_decay**factor} if (bn_decay := _bn_decay(config)) else {},
    )


def epochs(config: Any, length: float) -> None:
    """Training over `length` epochs: everything that is counted in epochs or updates keeps its share of the whole."""
    if length <= 0:
        raise ConfigError(f"argument epochs={length:g} must be above 0")
    source = Source("our choice", f"in proportion to a length of {length:g} epochs")
    _resize(config, length, _images(config), config.batch_size, source)


def mini(config: Any, data: str = "fashion_mnist") -> None:
    """The miniature: minutes on two CPU cores, on a TFDS data set of small images with 10 classes and a split `test`.

    A quarter of the width (an eighth for networks of 299 pixels), images of 2/7 of the side, batches of at most 64,
    two epochs in which every schedule and average keeps its share of the whole. What makes the row is kept: the network
    with its options, rates, momenta, decay, dropout, losses, crops and distortions. An experiment that is not on
    ImageNet is small already, and stays.
    """
    if config.data.source != "tfds:imagenet2012":
        return
    model, side = config.model, config.data.image_size
    smallest = smallest_input(models.architecture(model.name, model.variant, **model.options).rows)
    _resize(config, 2.0, MINI_IMAGES, min(config.batch_size, 64))
    _change(
        config,
        Source("miniature", "two CPU cores, minutes"),
        model={"width": model.width / (4 if side == 224 else 8), "dtype": "float32"},
        data={"source": f"tfds:{data}", "eval_split": "test", "image_size": max(round(side * 2 / 7), smallest)},
        evaluation={"every_epochs": 0.25, "batch_size": 0},
        log={"every_steps": 50},
    )


def tiny(config: Any) -> None:
    """Two steps on digits, seconds: the first module of the network, 8 channels wide."""
    mini(config)
    model = config.model
    arch = shortened(models.architecture(model.name, model.variant, **model.options), 1)
    smallest = smallest_input(arch.rows)
    _resize(config, 0.25, 64, 8, _TINY)
    workers = 1
    if (parallelism := config.parallelism).name == "backup_workers":
        workers, backups = 4, min(parallelism.backups, 1)
        _change(config, _TINY, parallelism={"replicas": workers - backups, "backups": backups})
    _change(
        config,
        _TINY,
        model={"width": 0.01, "modules": 1, "bn_group_size": min(config.model.bn_group_size, 8 // workers)},
        data={
            "source": "digits",
            "train_split": "train[:64]",
            "eval_split": "test[:16]",
            "image_size": smallest if smallest > 1 else 16,
        },
        evaluation={"every_epochs": 0.0, "batch_size": 8},
        checkpoint={"every_epochs": 0.0},
        log={"every_steps": 1},
    )


def _resize(config: Any, length: float, images: int, batch_size: int, source: Source | None = None) -> None:
    """`length` epochs over `images` images in batches of `batch_size`; whatever is counted in time keeps its share."""
    schedule, average = config.schedule, config.average
    own_images = _images(config)
    own_epochs = config.steps * config.batch_size / own_images if config.steps else config.epochs
    decay_epochs = schedule.decay_steps * config.batch_size / own_images or schedule.decay_epochs
    updates = config.steps or config.epochs * own_images / config.batch_size
    share = length / own_epochs
    fewer = updates / max(length * images / batch_size, 1)  # updates of the whole for one of ours

    def shorter(decay: float) -> float:
        """An average that reaches back over the same share of training, at least over ten updates."""
        return min(decay, max(0.9, 1 - (1 - decay) * fewer))

    _change(
        config,
        source or Source("miniature", f"its share of {own_epochs:,.4g} epochs"),
        epochs=length,
        steps=0,
        batch_size=batch_size,
        schedule={
            "decay_epochs": decay_epochs * share,
            "decay_steps": 0,
            "warmup_epochs": schedule.warmup_epochs * share,
            "cold_epochs": schedule.cold_epochs * share,
        },
        average={"decay": shorter(average.decay), "start_step": round(average.start_step / fewer)},
        optimizer={"accumulate": 1},
        model={"bn_decay": shorter(bn_decay)} if (bn_decay := _bn_decay(config)) else {},
    )


def _images(config: Any) -> int:
    return IMAGES if config.data.source == "tfds:imagenet2012" else MINI_IMAGES


def _change(config: Any, source: Source, **values: Any) -> None:
    """Cites the values that differ from those that are there: the others keep their source."""
    for name, value in values.items():
        if isinstance(value, dict):
            value = {field: new for field, new in value.items() if new != config[name][field]}
            if not value:
                continue
        elif value == config[name]:
            continue
        cite(config, source, **{name: value})


def _bn_decay(config: Any) -> float | None:
    """Decay of the running statistics: the config's or the network's own; None without batch norm."""
    model = config.model
    norm = models.architecture(model.name, model.variant, **model.options).norm
    return norm and (norm.decay if model.bn_decay is None else model.bn_decay)
