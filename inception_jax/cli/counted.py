"""One evaluation of trained weights with its progress, shared by the commands that evaluate."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from inception_jax.cli.config_flags import load_config
from inception_jax.config import Config, ConfigError, difference, flatten
from inception_jax.data.exclusions import without
from inception_jax.data.labels import relabelled
from inception_jax.data.sources import Source, open_source
from inception_jax.evaluation.evaluator import Answers, Evaluator
from inception_jax.evaluation.metrics import wilson
from inception_jax.evaluation.predictions import Collector, Predictions
from inception_jax.reporting.progress import EvaluationProgress
from inception_jax.training.trained import Trained

ERRORS = {"top-1 error (95 %)": "top1_error", "top-5 error (95 %)": "top5_error"}
"""Column for a person -> the name of the number."""


class Counted(NamedTuple):
    """One evaluation.

    Attributes:
      result: see `Evaluator`.
      views: of each image.
      predictions: on the first process, if they were asked for.
    """

    result: dict[str, float | int]
    views: int
    predictions: Predictions | None


def config_for(
    trained: Trained, flags: Sequence[str], chosen: Mapping[str, str | None], *, images_only: bool = False
) -> Config:
    """What the flags ask for; a weights file says nothing of where images are, so the experiment file does.

    Args:
      trained: a run or a weights file.
      flags: `--config` flags.
      chosen: fields that other flags name, None where they do not.
      images_only: an experiment file says where the images of a run are, too, rather than all of its config.

    Raises:
      ConfigError: a change that an evaluation would not heed, or no images for a weights file.
    """
    named = [flag for flag in flags if flag.partition("=")[0] == "--config"]
    changes = [flag for flag in flags if flag not in named]
    changes += [f"--config.{name}={value}" for name, value in chosen.items() if value is not None]
    base = trained.config
    if named and (images_only or trained.meta is not None):
        base = _with_images_of(base, load_config(named))
    elif trained.meta is None:
        changes = [*named, *changes]
    elif not any(change.startswith("--config.data.source=") for change in changes):
        raise ConfigError(
            f"{trained.path} does not say which images to use: "
            "add --data=folder:PATH or --data=tfds:NAME with --split, or --config=FILE"
        )
    config = load_config(changes, base=base)
    _require_only_data_changes(base, config)
    return config


def _with_images_of(base: Config, other: Config) -> Config:
    """Network and preprocessing of `base` for the images of `other`, evaluated as there."""
    images = {name: getattr(other.data, name) for name in ("source", "data_dir", "eval_split", "threads", "prefetch")}
    return dataclasses.replace(
        base,
        batch_size=other.batch_size,
        evaluation=other.evaluation,
        data=dataclasses.replace(base.data, **images),
    )


def _require_only_data_changes(trained: Config, asked: Config) -> None:
    changes = difference(flatten(trained), flatten(asked))
    ignored = [name for name in changes if not name.startswith("data.")]
    if ignored:
        raise ConfigError(
            f"config.{ignored[0]} was {changes[ignored[0]][0]!r} when the run was trained and cannot be changed "
            "to evaluate it; config.data.* and config.evaluation.* can"
        )


def images_for(trained: Trained, config: Config, split: str) -> Source:
    """The split, with the labels of the network's classes and without the images that are to be left out.

    Raises:
      DataError: it cannot be opened, or has a class that the network does not have.
    """
    source = open_source(config.data.source, split, config.data.data_dir)
    source = relabelled(source, trained.class_names, trained.network.num_classes)
    return without(source, config.evaluation.exclude)


def count(trained: Trained, source: Source, config: Config, mesh: Mesh, *, predictions: bool) -> Counted:
    """Counts every image of `source` once; the first process shows the progress and collects the predictions."""
    main = jax.process_index() == 0
    evaluator = Evaluator(trained.network, source, config, mesh, answers=predictions)
    if not main:
        return Counted(evaluator(trained.variables), evaluator.views, None)
    collector = Collector(source) if predictions else None
    with EvaluationProgress(len(source), views=evaluator.views) as progress:

        def batch_done(images: int, answers: Answers | None) -> None:
            progress.update(images)
            if collector and answers:
                collector.add(answers)

        result = evaluator(trained.variables, on_batch_done=batch_done)
        progress.finish()
    if config.evaluation.exclude and not result["left_out"]:
        warnings.warn(f"config.evaluation.exclude ({config.evaluation.exclude}) names no image here", stacklevel=2)
    return Counted(result, evaluator.views, collector.result() if collector else None)


def protocol_of(config: Config, views: int) -> dict[str, Any]:
    """What was asked of each image, for a row of results."""
    evaluation = config.evaluation
    return {"protocol": evaluation.protocol, "average": evaluation.average if views > 1 else None, "views": views}


def errors(images: int, **right: int) -> dict[str, float]:
    """The errors as fractions, each with the ends of its 95 % interval, of the numbers of images that are right."""
    found = {}
    for name, hits in right.items():
        wrong = images - hits
        low, high = wilson(wrong, images)
        found |= {f"{name}_error": wrong / images, f"{name}_error_low": low, f"{name}_error_high": high}
    return found


def for_a_person(row: dict[str, Any]) -> dict[str, Any]:
    """Each error and its interval in one cell, in per cent, and no count of what did not happen."""
    shown = {
        name: value
        for name, value in row.items()
        if "_error" not in name and value is not None and (value or name not in ("unreadable", "left_out"))
    }
    for title, name in ERRORS.items():
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        shown[title] = f"{100 * row[name]:.2f} ({100 * low:.2f} to {100 * high:.2f})"
    return shown
