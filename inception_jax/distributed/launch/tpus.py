"""What Google Cloud calls TPU slices."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.distributed.tpu import TopologyError, slice_named


@dataclass(frozen=True)
class Slice:
    """One TPU slice.

    Attributes:
      accelerator_type: of `gcloud compute tpus tpu-vm create`.
      runtime: software version of its virtual machines.
      gke_accelerator: node label of GKE.
      topology: chips along each axis.
      hosts: virtual machines.
      chips_a_host: chips of each.
    """

    accelerator_type: str
    runtime: str
    gke_accelerator: str
    topology: str
    hosts: int
    chips_a_host: int


_ACCELERATOR = {"v4": "v4", "v5e": "v5litepod", "v5p": "v5p", "v6e": "v6e"}
_RUNTIME = {
    "v4": "tpu-ubuntu2204-base",
    "v5e": "v2-alpha-tpuv5-lite",
    "v5p": "v2-alpha-tpuv5",
    "v6e": "v2-alpha-tpuv6e",
}
_GKE = {"v4": "tpu-v4-podslice", "v5e": "tpu-v5-lite-podslice", "v5p": "tpu-v5p-slice", "v6e": "tpu-v6e-slice"}


def slice_of(name: str) -> Slice:
    """The slice `GENERATION-NUMBER`, `v5e-64` say; as in Google's names, v4 and v5p count two cores a chip.

    Raises:
      TopologyError: there is none of that name, or the name stands for several.
    """
    found = slice_named(name)
    if found.count > 1:
        raise TopologyError(f"{name!r} is several slices; launch starts a job on one")
    return Slice(
        accelerator_type=f"{_ACCELERATOR[found.kind]}-{name.rpartition('-')[2]}",
        runtime=_RUNTIME[found.kind],
        gke_accelerator=_GKE[found.kind],
        topology="x".join(map(str, found.shape)),
        hosts=found.hosts,
        chips_a_host=found.chips // found.hosts,
    )
