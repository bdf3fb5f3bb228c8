"""The train step compiled for devices that need not be there, and what its compiler says of it."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.distributed.hlo import Collective, collectives, estimated_cycles
from inception_jax.errors import UserError
from inception_jax.training.state import abstract_state
from inception_jax.training.step import abstract_batch, jit_train_step, make_train_step

_NEEDS = re.compile(
    r"Used ([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm|temporaries \(([\d.]+)([KMGT]?)\) exceeds\D*([\d.]+)([KMGT]?)"
)


class DoesNotFit(UserError, RuntimeError):
    """The program needs more memory than a device has.

    Attributes:
      needed: bytes on each device.
      available: bytes of a device that a program may use.
    """

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"does not fit: needs {needed / 2**30:.2f} of {available / 2**30:.2f} GiB")
        self.needed, self.available = needed, available


@dataclass(frozen=True)
class Program:
    """A compiled train step; sizes are bytes on each device, padded as the device lays arrays out where it is `peak`.

    Attributes:
      parameters: of the network.
      optimizer: what the update rule keeps.
      averages: moving averages of parameters and batch statistics.
      activations: temporary arrays, most of them activations kept for the backward pass.
      peak: all that is held at once: state, batch, temporaries and code.
      flops: of one step on one device, as XLA counts them.
      traffic: bytes that its operations read and write, as XLA counts them; fast memory is not told apart.
      cycles: the TPU compiler's estimate of one step without collectives; 0 for other devices.
      collectives: in the order of the program.
      compile_seconds: what compiling took.
    """

    parameters: int
    optimizer: int
    averages: int
    activations: int
    peak: int
    flops: float
    traffic: float
    cycles: int
    collectives: tuple[Collective, ...]
    compile_seconds: float


def lower_train_step(
    network: nn.Module,
    config: Config,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    mesh: Mesh,
) -> Any:
    """The train step, traced for `mesh`, as training runs it; `compile` it to get the program."""
    state = abstract_state(network, config, optimizer, mesh)
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    step = make_train_step(network, config, optimizer=optimizer, schedule=schedule, unroll=on_cpu, mesh=mesh)
    return jit_train_step(step, mesh, state).lower(state, abstract_batch(config, mesh))


def compile_train_step(
    network: nn.Module,
    config: Config,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    mesh: Mesh,
) -> Program:
    """Compiles the train step of `config` for `mesh`; minutes, on one core, for a large network.

    Raises:
      DoesNotFit: a device has too little memory.
    """
    started = time.monotonic()
    lowered = lower_train_step(network, config, optimizer, schedule, mesh)
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        raise _too_large(str(error)) or error from error
    memory, cost, text = compiled.memory_analysis(), compiled.cost_analysis(), compiled.as_text()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    state = abstract_state(network, config, optimizer, mesh)
    return Program(
        parameters=_bytes(state.params),
        optimizer=_bytes(state.opt_state),
        averages=_bytes(state.average),
        activations=memory.temp_size_in_bytes,
        peak=held + memory.temp_size_in_bytes + memory.generated_code_size_in_bytes,
        flops=cost["flops"],
        traffic=cost["bytes accessed"],
        cycles=estimated_cycles(text),
        collectives=tuple(collectives(text)),
        compile_seconds=time.monotonic() - started,
    )


def _bytes(tree: Any) -> int:
    """Bytes of abstract arrays on one device."""
    shards = [(x.sharding.shard_shape(x.shape), x.dtype.itemsize) for x in jax.tree.leaves(tree)]
    return sum(math.prod(shape) * itemsize for shape, itemsize in shards)


def _too_large(message: str) -> DoesNotFit | None:
    """The error in clear words, where `message` is that of a program that exceeds the memory."""
    match = _NEEDS.search(message)
    if not match:
        return None
    needed, needed_unit, available, available_unit = (part for part in match.groups() if part is not None)
    return DoesNotFit(_size(needed, needed_unit), _size(available, available_unit))


def _size(number: str, unit: str) -> int:
    return int(float(number) * 1024 ** " KMGT".index(unit or " "))
