"""Section `mesh`: how the devices of a run are laid out, and how long its processes wait for each other."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.config.fields import number


@dataclass(frozen=True)
class Mesh:
    """The devices as a grid of `data` x `model`; images are spread over all of them.

    It changes results by no more than the order of float32 sums, so a run may continue on another one.
    """

    data: int = number(0, 0, 2**20, "devices along `data`; 0: all devices / `model`", neutral=True)
    model: int = number(
        1, 1, 2**20, "devices that share one copy of parameters, averages and optimizer state (ZeRO)", neutral=True
    )
    smallest_shard: int = number(
        2**16, 1, 2**40, "elements below which an array is not split over `model`", neutral=True
    )
    wait_limit: float = number(
        600.0, 1.0, 1e6, "seconds that processes wait for the slowest one's batch before the run stops", neutral=True
    )
