"""TPU slices by the names of this project, `v5e-64` say, and what Google Cloud calls them."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.errors import UserError

_CHIPS_A_HOST = 4
_FLAT = {4: "2x2", 8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16"}
_SOLID = {
    **{4: "2x2x1", 8: "2x2x2", 16: "2x2x4", 32: "2x4x4", 64: "4x4x4", 128: "4x4x8", 256: "4x8x8", 512: "8x8x8"},
    **{1024: "8x8x16", 2048: "8x16x16"},
}


@dataclass(frozen=True)
class _Generation:
    """Names of one TPU generation, and its slices' topologies by number of chips.

    `cores` is what the number in Google's name counts for each chip.
    """

    accelerator: str
    runtime: str
    gke_accelerator: str
    gke_machine: str
    topologies: dict[int, str]
    cores: int


_GENERATIONS = {
    "v4": _Generation("v4", "tpu-ubuntu2204-base", "tpu-v4-podslice", "ct4p-hightpu-4t", _SOLID, 2),
    "v5e": _Generation("v5litepod", "v2-alpha-tpuv5-lite", "tpu-v5-lite-podslice", "ct5lp-hightpu-4t", _FLAT, 1),
    "v5p": _Generation("v5p", "v2-alpha-tpuv5", "tpu-v5p-slice", "ct5p-hightpu-4t", _SOLID, 2),
    "v6e": _Generation("v6e", "v2-alpha-tpuv6e", "tpu-v6e-slice", "ct6e-standard-4t", _FLAT, 1),
}


class SliceError(UserError, ValueError):
    """A TPU slice that does not exist. The message lists those that do."""


@dataclass(frozen=True)
class Slice:
    """One TPU slice, four chips a host.

    Attributes:
      accelerator_type: of `gcloud compute tpus tpu-vm create`.
      runtime: software version of its virtual machines.
      gke_accelerator: node label of GKE.
      gke_machine: machine type of a GKE node pool.
      topology: chips along each axis.
      hosts: virtual machines.
      chips_a_host: chips of each.
    """

    accelerator_type: str
    runtime: str
    gke_accelerator: str
    gke_machine: str
    topology: str
    hosts: int
    chips_a_host: int = _CHIPS_A_HOST


def slice_of(name: str) -> Slice:
    """The slice `GENERATION-CHIPS`: v4, v5e, v5p or v6e; as in Google's names, v4 and v5p count two cores a chip.

    Raises:
      SliceError: there is none of that name.
    """
    generation, _, number = name.partition("-")
    known = _GENERATIONS.get(generation)
    if known is None:
        raise SliceError(f"no TPU slice {name!r}: {', '.join(_GENERATIONS)}, then a number, as in v5e-64")
    topology = known.topologies.get(int(number) // known.cores) if number.isdecimal() else None
    if topology is None or int(number) % known.cores:
        sizes = ", ".join(f"{generation}-{chips * known.cores}" for chips in known.topologies)
        raise SliceError(f"no TPU slice {name!r}; there are {sizes}")
    return Slice(
        accelerator_type=f"{known.accelerator}-{number}",
        runtime=known.runtime,
        gke_accelerator=known.gke_accelerator,
        gke_machine=known.gke_machine,
        topology=topology,
        hosts=int(number) // known.cores // _CHIPS_A_HOST,
    )
