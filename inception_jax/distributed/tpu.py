"""TPU chips and slices as Google publishes them, and their compiler, which runs on any machine.

Sources. Peak rates, HBM bandwidth, shapes and network interfaces: Google's pages "TPU v4", "TPU v5e", "TPU v5p" and
"TPU v6e" (cloud.google.com/tpu/docs). Link and data-centre bandwidths: "How to Scale Your Model" (Austin et al. 2025,
jax-ml.github.io/scaling-book), whose one-way figure of a link is 10 % below the one that Google's pages imply. The
processors of a host: the machine types of "Plan TPUs in GKE". `hbm_bytes` is what the compiler itself grants a program;
a test asks it.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
from dataclasses import dataclass
from typing import Any

from jax.experimental import topologies

from inception_jax.errors import UserError

_HOP_SECONDS = 1e-6


class TopologyError(UserError, ValueError):
    """A slice that does not exist, or no compiler for it. The message says what does, or how to get one."""


@dataclass(frozen=True)
class Chip:
    """One kind of TPU chip; all rates are a second.

    Attributes:
      flops: peak of bfloat16 products.
      hbm_bytes: memory that a program may use.
      hbm_bandwidth: bytes.
      link: bytes in one direction over one link to a neighbour.
      network: bytes over the data-centre network, one chip's share of its host's.
      arrays: matrix units.
      side: of a matrix unit, in multiply-adds.
      host_processors: virtual processors of a host with four chips; None where we found no published number.
      cores_in_name: what the number in a slice's name counts: 2 cores a chip, or 1 for chips.
      shapes: of the slices, smallest first.
      wrap: an axis of this length, or of a multiple where every axis is one, is a ring and not a line.
      options: what the compiler must be told besides the shape.
    """

    flops: float
    hbm_bytes: int
    hbm_bandwidth: float
    link: float
    network: float
    arrays: int
    side: int
    host_processors: int | None
    cores_in_name: int
    shapes: tuple[tuple[int, ...], ...]
    wrap: int
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def clock(self) -> float:
        """Cycles a second, at which all matrix units together reach the published peak."""
        return self.flops / (2 * self.arrays * self.side**2)


_PLANES = ((1, 1), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
_CUBOIDS = (
    *((2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8), (4, 8, 8)),
    *((8, 8, 8), (8, 8, 16), (8, 16, 16)),
)
_GIB = 2**30

CHIPS = {
    "v4": Chip(
        flops=275e12,
        hbm_bytes=int(30.75 * _GIB),
        hbm_bandwidth=1200e9,
        link=45e9,
        network=6.25e9,
        arrays=8,
        side=128,
        host_processors=None,
        cores_in_name=2,
        shapes=_CUBOIDS,
        wrap=4,
        options=(("chip_config_name", "megacore"),),  # both cores of a chip as one device, as a TPU VM has it
    ),
    "v5e": Chip(
        flops=197e12,
        hbm_bytes=int(15.75 * _GIB),
        hbm_bandwidth=819e9,
        link=45e9,
        network=3.125e9,
        arrays=4,
        side=128,
        host_processors=112,
        cores_in_name=1,
        shapes=_PLANES,
        wrap=16,
    ),
    "v5p": Chip(
        flops=459e12,
        hbm_bytes=int(95.74 * _GIB),
        hbm_bandwidth=2765e9,
        link=90e9,
        network=6.25e9,
        arrays=8,
        side=128,
        host_processors=208,
        cores_in_name=2,
        shapes=_CUBOIDS,
        wrap=4,
    ),
    # Google's pages print two and four matrix units; four give the peak at v5p's clock.
    "v6e": Chip(
        flops=918e12,
        hbm_bytes=int(31.25 * _GIB),
        hbm_bandwidth=1638e9,
        link=90e9,
        network=12.5e9,
        arrays=4,
        side=256,
        host_processors=180,
        cores_in_name=1,
        shapes=_PLANES,
        wrap=16,
    ),
}


@dataclass(frozen=True)
class Slice:
    """Chips that one job holds: `count` slices of `shape`, joined by the data-centre network."""

    kind: str
    shape: tuple[int, ...]
    count: int = 1

    @property
    def chip(self) -> Chip:
        """What its chips are."""
        return CHIPS[self.kind]

    @property
    def chips(self) -> int:
        """Of all slices."""
        return self.count * math.prod(self.shape)

    @property
    def hosts(self) -> int:
        """Virtual machines, of four chips each, as slices of more than one machine have them."""
        return max(self.chips // 4, 1)

    @property
    def name(self) -> str:
        """As `slice_named` reads it."""
        many = f"{self.count}x" if self.count > 1 else ""
        return f"{many}{self.kind}-{math.prod(self.shape) * self.chip.cores_in_name}"

    def all_reduce_seconds(self, size: float) -> float:
        """Least time to sum `size` bytes over all chips, by published bandwidths; an estimate.

        Within a slice each chip sends and receives the array twice, in both directions of every axis at once, or in
        one where the axis is no ring, and a microsecond passes a hop. Slices exchange what is left of the array on
        each chip after the sum within the slice.
        """
        chip, lengths = self.chip, [length for length in self.shape if length > 1]
        whole = all(length % chip.wrap == 0 for length in self.shape)
        rings = [whole if len(self.shape) == 3 else length == chip.wrap for length in lengths]
        within = math.prod(lengths)
        seconds = 0.0
        if lengths:
            rate = chip.link * sum(2 if ring else 1 for ring in rings)
            hops = sum(length // 2 if ring else length - 1 for length, ring in zip(lengths, rings, strict=True))
            seconds += 2 * size * (within - 1) / within / rate + 2 * hops * _HOP_SECONDS
        if self.count > 1:
            seconds += 2 * size / within * (self.count - 1) / self.count / chip.network
        return seconds


def slice_named(name: str) -> Slice:
    """Reads a name such as `v5e-64`, `v4-32` (32 cores: 16 chips) or `8xv5e-256` (eight slices).

    Raises:
      TopologyError: there is no such slice; those that are there are named.
    """
    match = re.fullmatch(r"(?:(\d+)x)?(\w+)-(\d+)", name)
    chip = CHIPS.get(match[2]) if match else None
    if not match or not chip:
        raise TopologyError(f"topology {name!r} is unknown; known: {', '.join(map(_names, CHIPS))}")
    for shape in chip.shapes:
        if math.prod(shape) * chip.cores_in_name == int(match[3]) and match[1] != "0":
            return Slice(match[2], shape, int(match[1] or 1))
    several = f"2x{Slice(match[2], chip.shapes[-1]).name}"
    raise TopologyError(f"topology {name!r} is unknown; known: {_names(match[2])}, or several, as {several}")


def _names(kind: str) -> str:
    counts = [math.prod(shape) * CHIPS[kind].cores_in_name for shape in CHIPS[kind].shapes]
    return f"{kind}-{'|'.join(map(str, counts))}"


def compile_only_devices(where: Slice) -> list[Any]:
    """Devices that programs can be compiled for, with no TPU attached; nothing can be put on them.

    Raises:
      TopologyError: the compiler, package libtpu, is not installed or refuses the topology.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise TopologyError(
            "the TPU compiler, libtpu, is not installed; on x86-64 Linux `pip install 'inception-jax[tpu]'` brings it"
        )
    # libtpu asks the cloud's metadata server what machine this is, and locks itself to one process a machine.
    alone = {"TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    unasked = {"TPU_WORKER_HOSTNAMES": "localhost", "TPU_ACCELERATOR_TYPE": "v5litepod-4"}
    for variable, value in (alone | unasked).items():
        os.environ.setdefault(variable, value)
    options = dict(where.chip.options)
    if where.count > 1:
        options["num_slices"] = where.count
    if where.chips == 1:
        options["chips_per_host_bounds"] = [1, 1, 1]
    shape = "x".join(map(str, where.shape))
    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=f"{where.kind}:{shape}", **options)
    except RuntimeError as error:
        raise TopologyError(f"libtpu refuses {where.name}: {' '.join(str(error).split())}") from error
    return list(found.devices)
