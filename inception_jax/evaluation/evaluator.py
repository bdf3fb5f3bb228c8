"""A whole split through a network: loss, top-1 and top-5 over every image exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.data.crops import views_of
from inception_jax.data.photometric import normalise
from inception_jax.data.pipeline import eval_iterator
from inception_jax.data.sources import Source
from inception_jax.distributed.mesh import batch_sharding, put_batch, replicated
from inception_jax.evaluation.metrics import rank, sums
from inception_jax.evaluation.multicrop import combine, view_logits


class Answers(NamedTuple):
    """What a network says of consecutive images, padding left out.

    Attributes:
      labels: int32 [n].
      ranks: int32 [n], how many classes stand before the label (`metrics.rank`).
      probabilities: float32 [n, K], combined over the views.
    """

    labels: np.ndarray
    ranks: np.ndarray
    probabilities: np.ndarray


class Evaluator:
    """Evaluates variables of `network` on `source`; compiles once, however often it is called.

    Args:
      network: a network of `inception_jax.models`.
      source: the images; must hold at least one.
      config: gives the crop or the views, and the batch size, `evaluation.batch_size` or that of training: how many
        views the network computes together. One view an image: it is rounded up to a multiple of the devices.
        Several: all views of one square are computed together, so it is rounded down to a whole number of images
        on each device, at least one. Padding counts for nothing.
      mesh: where to compute.
      answers: whether `on_batch_done` gets the answers too, a copy on every process.
    """

    def __init__(
        self, network: nn.Module, source: Source, config: Config, mesh: Mesh, *, answers: bool = False
    ) -> None:
        devices = mesh.devices.size
        wanted = config.evaluation.batch_size or config.batch_size
        views = views_of(config)
        self.views = views.count if views else 1
        per_device = max(1, wanted // (devices * views.per_square)) if views else -(-wanted // devices)
        self.batch_size = per_device * devices
        self._source, self._config, self._mesh = source, config, mesh
        self._step = jax.jit(
            make_eval_step(network, config, answers=answers),
            in_shardings=(replicated(mesh), batch_sharding(mesh)),
            out_shardings=replicated(mesh),
        )

    def __call__(
        self,
        variables: Mapping[str, Any],
        *,
        on_batch: Callable[[], None] = lambda: None,
        on_batch_done: Callable[[int, Answers | None], None] = lambda images, answers: None,
    ) -> dict[str, float | int]:
        """`loss` (nats), `top1` and `top5` (fractions) and `images` (how many).

        Args:
          variables: `params` and `batch_stats`, on the mesh's devices.
          on_batch: called before each batch; what it raises ends the evaluation.
          on_batch_done: called after each, in order, with its images (without padding) and, if asked for, the answers.

        Raises:
          DataError: an image cannot be read.
        """
        total = {"loss": 0.0, "top1": 0, "top5": 0, "images": 0}

        def finish(batch: Mapping[str, jax.Array] | None) -> None:
            if batch is None:
                return
            for name in total:
                total[name] += batch[name].item()
            images = int(batch["images"])
            answers = None
            if "probabilities" in batch:
                answers = Answers(*(np.asarray(batch[name])[:images] for name in ("label", "rank", "probabilities")))
            on_batch_done(images, answers)

        running: dict[str, jax.Array] | None = None
        batches = eval_iterator(
            self._source,
            self._config,
            batch_size=self.batch_size,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        for batch in batches:
            on_batch()
            finished, running = running, self._step(variables, put_batch(batch, self._mesh))
            finish(finished)  # while the device works on the batch just sent
        finish(running)
        images = total["images"]
        return {name: total[name] / images for name in ("loss", "top1", "top5")} | {"images": images}


def make_eval_step(
    network: nn.Module, config: Config, *, answers: bool = False
) -> Callable[[Mapping[str, Any], Mapping[str, jax.Array]], dict[str, jax.Array]]:
    """`eval_step(variables, batch) -> sums`, pure; running batch statistics, no dropout, no auxiliary head.

    Args:
      network: a network of `inception_jax.models`.
      config: `data` says how pixels become the network's input, and `evaluation` what the batch holds: one `image` a
        row, or the squares of `crops.Views.cut`, and how the answers to several views become one.
      answers: whether the result also has `label`, `rank` and `probabilities` of every row, padding too.
    """

    views, data = views_of(config), config.data

    def eval_step(variables: Mapping[str, Any], batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        def classify(images: jax.Array) -> jax.Array:
            output: Any = network.apply(variables, normalise(images, data.mean, data.std))
            return output.logits

        if views:
            logits = combine(view_logits(classify, batch, views), config.evaluation.average, axis=(0, 2))
        else:
            logits = classify(batch["image"])
        result = sums(logits, batch["label"], batch["mask"])
        if answers:
            result |= {
                "label": batch["label"],
                "rank": rank(logits, batch["label"]),
                "probabilities": jax.nn.softmax(logits),
            }
        return result

    return eval_step


def evaluate(
    network: nn.Module, variables: Mapping[str, Any], source: Source, config: Config, mesh: Mesh
) -> dict[str, float | int]:
    """One evaluation; see `Evaluator`, which serves repeated ones without compiling again."""
    return Evaluator(network, source, config, mesh)(variables)
