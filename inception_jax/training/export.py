"""A trained run or a weights file as what `weights.export` writes: float32, with a description that others can use."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inception_jax import models
from inception_jax.config import Config
from inception_jax.config import Model as ModelConfig
from inception_jax.reporting.writers import METRICS_FILE, read_metrics
from inception_jax.training.trained import Trained
from inception_jax.weights.checkpoint import Meta
from inception_jax.weights.export import Model
from inception_jax.weights.preprocessing import of_data

# what `models.create` takes beside a network's own options, and what outlives training in float32
_GENERAL = ("width", "dropout", "bn_group_size", "bn_decay")


def model_of(trained: Trained) -> Model:
    """The network of a run or a weights file, computing in float32, its variables and what they are."""
    network = trained.network.clone(style=replace(trained.network.style, dtype=jnp.float32), remat=0, scan=False)
    variables = jax.tree.map(np.asarray, trained.variables)
    if trained.meta:
        meta = replace(trained.meta, num_classes=network.num_classes, class_names=trained.class_names, class_offset=0)
    else:
        meta = _of_run(trained)
    return Model(network, variables, meta)


def _of_run(trained: Trained) -> Meta:
    model = trained.config.model
    return Meta(
        network=model.name,
        variant=model.variant or next(iter(models.variants(model.name))),
        num_classes=trained.network.num_classes,
        aux=bool(trained.network.heads),
        preprocessing=of_data(trained.config.data),
        options=model.options | _changed(trained.config),
        class_names=trained.class_names,
        source=f"run {trained.path.resolve().name}, step {trained.step}",
        source_format="run",
        accuracy=_measured(trained),
    )


def _measured(trained: Trained) -> tuple[float, ...]:
    """Top-1 and top-5 of the run's validation at this step, in per cent; empty if there is no record of one."""
    try:
        rows = [row for row in read_metrics(trained.path / METRICS_FILE) if row["step"] == trained.step]
    except (OSError, ValueError):
        return ()
    found = [(100 * row["validation/top1"], 100 * row["validation/top5"]) for row in rows if "validation/top1" in row]
    return found[-1] if found else ()


def _changed(config: Config) -> dict[str, Any]:
    defaults = dataclasses.asdict(ModelConfig())
    return {name: value for name in _GENERAL if (value := getattr(config.model, name)) != defaults[name]}
