"""A whole split through a network: loss, top-1 and top-5 over every image exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.data.photometric import normalise
from inception_jax.data.pipeline import eval_iterator
from inception_jax.data.sources import Source
from inception_jax.distributed.mesh import batch_sharding, put_batch, replicated
from inception_jax.evaluation.metrics import sums


class Evaluator:
    """Evaluates variables of `network` on `source`; compiles once, however often it is called.

    Args:
      network: a network of `inception_jax.models`.
      source: the images; must hold at least one.
      config: gives the crop, and the batch size: `evaluation.batch_size`, or that of training. It is
        rounded up to a multiple of the devices; padding counts for nothing.
      mesh: where to compute.
    """

    def __init__(self, network: nn.Module, source: Source, config: Config, mesh: Mesh) -> None:
        devices = mesh.devices.size
        wanted = config.evaluation.batch_size or config.batch_size
        self.batch_size = -(-wanted // devices) * devices
        self._source, self._config, self._mesh = source, config, mesh
        self._step = jax.jit(
            make_eval_step(network),
            in_shardings=(replicated(mesh), batch_sharding(mesh)),
            out_shardings=replicated(mesh),
        )

    def __call__(
        self, variables: Mapping[str, Any], *, on_batch: Callable[[], None] = lambda: None
    ) -> dict[str, float | int]:
        """`loss` (nats), `top1` and `top5` (fractions) and `images` (how many).

        Args:
          variables: `params` and `batch_stats`, on the mesh's devices.
          on_batch: called before each batch; what it raises ends the evaluation.

        Raises:
          DecodeError: an image cannot be read.
        """
        total = {"loss": 0.0, "top1": 0, "top5": 0, "images": 0}
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
            _add(total, finished)  # while the device works on the batch just sent
        _add(total, running)
        images = total["images"]
        return {name: total[name] / images for name in ("loss", "top1", "top5")} | {"images": images}


def make_eval_step(network: nn.Module) -> Callable[[Mapping[str, Any], Mapping[str, jax.Array]], dict[str, jax.Array]]:
    """`eval_step(variables, batch) -> sums`, pure; running batch statistics, no dropout, no auxiliary head."""

    def eval_step(variables: Mapping[str, Any], batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        output: Any = network.apply(variables, normalise(batch["image"]))
        return sums(output.logits, batch["label"], batch["mask"])

    return eval_step


def evaluate(
    network: nn.Module, variables: Mapping[str, Any], source: Source, config: Config, mesh: Mesh
) -> dict[str, float | int]:
    """One evaluation; see `Evaluator`, which serves repeated ones without compiling again."""
    return Evaluator(network, source, config, mesh)(variables)


def _add(total: dict[str, Any], batch: Mapping[str, jax.Array] | None) -> None:
    for name, value in (batch or {}).items():
        total[name] += value.item()
