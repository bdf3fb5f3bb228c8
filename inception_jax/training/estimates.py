"""From a compiled step to times: what an experiment would take on TPUs. Nothing here was measured."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from inception_jax.config import Config
from inception_jax.distributed.tpu import Slice
from inception_jax.models import Network
from inception_jax.models.cost import costs, total
from inception_jax.training.ahead_of_time import Program
from inception_jax.training.schedules import training_steps


def model_flops(network: Network, size: int) -> int:
    """Floating-point operations of one image's training step: a forward pass, and a backward pass of twice that.

    Only convolutions and linear layers count, auxiliary heads included, and nothing that is computed again.

    Args:
      network: whose rows are counted.
      size: height and width of an image, in pixels.
    """
    return 3 * 2 * total("", costs(network, size)).multiply_adds


@dataclass(frozen=True)
class Estimate:
    """A program on a slice.

    Attributes:
      where: the chips.
      program: compiled for them.
      config: the experiment, with the batch that was compiled.
      images: of the training split.
      model_flops: of one image; see `model_flops`.
    """

    where: Slice
    program: Program
    config: Config
    images: int
    model_flops: int

    @property
    def interconnect_seconds(self) -> float:
        """Of the collectives of a step, each over all chips at published bandwidths, none hidden behind computation."""
        # Half an all-reduce is a reduce-scatter, the other half an all-gather. What slices send each other is in
        # the time of the sum over all chips.
        parts = self.config.mesh.model if self.config.mesh.model > 1 else math.prod(self.where.shape)
        shares = {"all-gather": (0.5, 1), "reduce-scatter": (0.5, parts), "send": (0.0, 1)}
        moved = [(*shares.get(c.kind, (1.0, 1)), c) for c in self.program.collectives]
        return sum(share * c.times * self.where.all_reduce_seconds(whole * c.size) for share, whole, c in moved)

    @property
    def compute_seconds(self) -> float:
        """The compiler's cycles at the chip's clock."""
        return self.program.cycles / self.where.chip.clock

    @property
    def step_seconds(self) -> float:
        """Computation, then communication."""
        return self.compute_seconds + self.interconnect_seconds

    @property
    def images_per_second(self) -> float:
        """Of all chips together."""
        return self.config.batch_size / self.step_seconds

    def row(self) -> dict[str, Any]:
        """Everything that is printed, in bytes, seconds, hours and shares of one; per chip where it can be."""
        where, program, chip = self.where, self.program, self.where.chip
        steps = training_steps(self.config, self.images)
        hours = steps * self.step_seconds / 3600
        kinds = Counter[str]()
        for collective in program.collectives:
            kinds[collective.kind] += collective.times
        useful = self.model_flops * self.images_per_second / where.chips
        return {
            **place(where, self.config),
            "fits": True,
            "parameter_bytes": program.parameters,
            "optimizer_bytes": program.optimizer,
            "average_bytes": program.averages,
            "activation_bytes": program.activations,
            "peak_bytes": program.peak,
            "hbm_bytes": chip.hbm_bytes,
            "flops": program.flops,
            "traffic_bytes": program.traffic,
            "flops_per_byte": program.flops / program.traffic,
            "estimated_cycles": program.cycles,
            "compute_seconds": self.compute_seconds,
            "collectives": ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "none",
            "collective_bytes": sum(c.size * c.times for c in program.collectives),
            "interconnect_seconds": self.interconnect_seconds,
            "step_seconds": self.step_seconds,
            "images_per_second": self.images_per_second,
            "model_flops_utilisation": useful / chip.flops,
            "steps": steps,
            "hours": hours,
            "chip_hours": hours * where.chips,
            "decoded_per_second_and_host": self.images_per_second / where.hosts,
            "compile_seconds": program.compile_seconds,
        }


def place(where: Slice, config: Config) -> dict[str, Any]:
    """The first columns of a row: where, and on how many images."""
    return {
        "topology": where.name,
        "chips": where.chips,
        "hosts": where.hosts,
        "batch_size": config.batch_size,
        "images_per_chip": config.batch_size // where.chips,
    }


def does_not_fit(where: Slice, config: Config, needed: int) -> dict[str, Any]:
    """The row of a program that needs `needed` bytes on each chip, which has fewer."""
    return {**place(where, config), "fits": False, "peak_bytes": needed, "hbm_bytes": where.chip.hbm_bytes}
