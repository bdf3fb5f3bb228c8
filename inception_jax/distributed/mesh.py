"""One mesh of `data` x `model`: images are spread over all of it, big arrays of the state over `model`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from inception_jax.config import Config, ConfigError

Tree = TypeVar("Tree")


def make_mesh(devices: Sequence[Any] | None = None, *, model: int = 1) -> Mesh:
    """A mesh of all `devices` (default: every device of every process), `model` neighbours along the second axis.

    Devices lie in the order of their processes, so that each process feeds one contiguous part of the batch, and
    what a `model` of at most one process's devices exchanges stays within the host.
    """
    devices = jax.devices() if devices is None else devices
    ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
    return Mesh(np.asarray(ordered).reshape(-1, model), ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def mesh_of(config: Config, devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh that `config.mesh` asks for.

    Raises:
      ConfigError: these devices do not make that grid.
    """
    devices = jax.devices() if devices is None else devices
    data, model = config.mesh.data, config.mesh.model
    if len(devices) % model or (data and data * model != len(devices)):
        wanted = f"a multiple of {model}" if not data else f"{data} x {model} = {data * model}"
        raise ConfigError(f"config.mesh needs {wanted} devices (data x model), and there are {len(devices)}")
    return make_mesh(devices, model=model)


def replicated(mesh: Mesh) -> NamedSharding:
    """A whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis spread over all devices."""
    return NamedSharding(mesh, PartitionSpec(("data", "model")))


def state_shardings(tree: Any, mesh: Mesh, smallest: int) -> Any:
    """Where each array of `tree` lies: the longest axis that `model` divides, the last of equals, is split over it.

    Arrays of fewer than `smallest` elements, or without such an axis, have a whole copy on every device. The rule
    looks at shapes alone, so whatever an optimizer keeps of a parameter lies where the parameter does.
    """
    parts = mesh.shape["model"]

    def sharding(x: Any) -> NamedSharding:
        axes = [axis for axis, length in enumerate(x.shape) if length % parts == 0]
        if parts == 1 or not axes or np.prod(x.shape) < smallest:
            return replicated(mesh)
        split = max(axes, key=lambda axis: (x.shape[axis], axis))
        return NamedSharding(mesh, PartitionSpec(*(None,) * split, "model"))

    return jax.tree.map(sharding, tree)


def gathered(tree: Tree, mesh: Mesh) -> Tree:
    """Inside jit: the arrays whole on every device."""
    return lax.with_sharding_constraint(tree, replicated(mesh))


def put_batch(batch: Mapping[str, Any], mesh: Mesh) -> dict[str, jax.Array]:
    """Global arrays [B, ...] from each process's own rows [B / processes, ...]; the transfer is asynchronous."""
    sharding = batch_sharding(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, rows) for name, rows in batch.items()}
