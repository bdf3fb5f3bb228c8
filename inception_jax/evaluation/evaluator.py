"""A whole split through a network: loss, top-1 and top-5 over every image exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.data.crops import views_of
from inception_jax.data.photometric import normalise
from inception_jax.data.pipeline import eval_iterator
from inception_jax.data.sources import DataError, Source
from inception_jax.distributed.mesh import batch_sharding, gathered, put_batch, replicated
from inception_jax.evaluation.metrics import likeliest, rank, sums
from inception_jax.evaluation.multicrop import combine, view_logits


class Answers(NamedTuple):
    """What a network says of images, in their order; padding and images without a valid label are left out.

    Attributes:
      positions: int64 [n], which images of the source.
      labels: int32 [n]; -1 for an image that could not be read.
      ranks: int32 [n], how many classes stand before the label, of several valid ones the likeliest (`metrics.rank`);
        K for an image that could not be read.
      probabilities: float32 [n, K], combined over the views; NaN for an image that could not be read.
    """

    positions: np.ndarray
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
        eval_step = make_eval_step(network, config, answers=answers)
        self._step = jax.jit(
            lambda variables, batch: eval_step(gathered(variables, mesh), batch),
            in_shardings=(None, batch_sharding(mesh)),  # variables: as they lie
            out_shardings=replicated(mesh),
        )

    def __call__(
        self,
        variables: Mapping[str, Any],
        *,
        on_batch: Callable[[], None] = lambda: None,
        on_batch_done: Callable[[int, Answers | None], None] = lambda images, answers: None,
    ) -> dict[str, float | int]:
        """`loss` (nats), `top1` and `top5` (fractions), `images`, of which `unreadable`, and `left_out` (how many).

        An image that cannot be read is wrong and has no loss; one without a valid label is left out and counts for
        nothing. Equal on every process.

        Args:
          variables: `params` and `batch_stats`, on the mesh's devices.
          on_batch: called before each batch; what it raises ends the evaluation.
          on_batch_done: called after each, in order, with its images (padding is none, images that are left out are)
            and, if asked for, the answers.

        Raises:
          DataError: a label outside the classes, or no image has a valid one.
        """
        total = {"loss": 0.0, "top1": 0, "top5": 0, "images": 0, "unreadable": 0}
        done = 0

        def finish(batch: Mapping[str, jax.Array] | None) -> None:
            nonlocal done
            if batch is None:
                return
            for name in total:
                total[name] += batch[name].item()
            answers = None
            if "probabilities" in batch:
                rows = np.flatnonzero(np.asarray(batch["mask"]))
                found = (np.asarray(batch[name])[rows] for name in ("label", "rank", "probabilities"))
                answers = Answers(done + rows, *found)
            images = min(self.batch_size, len(self._source) - done)
            done += images
            on_batch_done(images, answers)

        # CPUs run programs at once that do not need each other, and would mix up what they tell other processes.
        one_by_one = jax.process_count() > 1 and self._mesh.devices.flat[0].platform == "cpu"
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
            if one_by_one:
                jax.block_until_ready(running)
            finished, running = running, self._step(variables, put_batch(batch, self._mesh))
            finish(finished)  # while the device works on the batch just sent
        finish(running)
        images, unreadable = total["images"], total["unreadable"]
        if not images:
            raise DataError(f"none of the {len(self._source)} images has a valid label: there is nothing to count")
        shares = {name: total[name] / images for name in ("top1", "top5")}
        loss = total["loss"] / (images - unreadable) if images > unreadable else float("nan")
        counts = {"images": images, "unreadable": unreadable, "left_out": len(self._source) - images}
        return {"loss": loss, **shares, **counts}


def make_eval_step(
    network: nn.Module, config: Config, *, answers: bool = False
) -> Callable[[Mapping[str, Any], Mapping[str, jax.Array]], dict[str, jax.Array]]:
    """`eval_step(variables, batch) -> sums`, pure; running batch statistics, no dropout, no auxiliary head.

    Args:
      network: a network of `inception_jax.models`.
      config: `data` says how pixels become the network's input, and `evaluation` what the batch holds: one `image` a
        row, or the squares of `crops.Views.cut`, and how the answers to several views become one.
      answers: whether the result also has `mask`, `label`, `rank` and `probabilities` of every row, padding too.
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
        unreadable = batch["label"] < 0
        label = batch["label"]
        if "valid" in batch:
            label = jnp.where(unreadable, -1, likeliest(logits, batch["valid"]))
        result = sums(logits, label, batch["mask"])
        if answers:
            result |= {
                "mask": batch["mask"],
                "label": batch["label"],
                "rank": rank(logits, label),
                "probabilities": jnp.where(unreadable[:, None], jnp.nan, jax.nn.softmax(logits)),
            }
        return result

    return eval_step


def evaluate(
    network: nn.Module, variables: Mapping[str, Any], source: Source, config: Config, mesh: Mesh
) -> dict[str, float | int]:
    """One evaluation; see `Evaluator`, which serves repeated ones without compiling again."""
    return Evaluator(network, source, config, mesh)(variables)
