"""Who takes part, and how each one's process is started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks import peers
from benchmarks.process import Contender
from benchmarks.worker import Absent, Task


@dataclass(frozen=True)
class Kind:
    """A contender: the module that its process runs, its precision, whose environment it runs in, and what it is."""

    module: str
    dtype: Literal["float32", "bfloat16"]
    environment: Literal["project", "keras", "torch"]
    about: str


CONTENDERS = {
    "ours": Kind(
        "benchmarks.ours",
        "float32",
        "project",
        "a network of `inception_jax.models` under the project's own training step or evaluation step",
    ),
    "ours-bf16": Kind("benchmarks.ours", "bfloat16", "project", "the same with bfloat16 activations"),
    "plain": Kind(
        "benchmarks.ours",
        "float32",
        "project",
        "the same network and step written layer by layer: one `nn.Conv` and one `nn.BatchNorm` each, Flax's pools, "
        "`jnp.concatenate`",
    ),
    "keras": Kind(
        "benchmarks.keras_peer",
        "float32",
        "keras",
        "`keras.applications` on the JAX backend, the whole step jitted; it has no auxiliary classifiers",
    ),
    "torch": Kind(
        "benchmarks.torch_peer",
        "float32",
        "torch",
        "torchvision or timm, eager, channels last (timm's networks have no auxiliary classifiers)",
    ),
    "torch-bf16": Kind("benchmarks.torch_peer", "bfloat16", "torch", "the same under bfloat16 autocast"),
}


def start(task: Task, say: Callable[[str], None]) -> Contender:
    """Starts the process of `task.contender`.

    Raises:
      Absent: it has no such network, or cannot be installed.
    """
    kind = CONTENDERS[task.contender]
    python = sys.executable
    if kind.environment != "project":
        if task.width != 1:
            raise Absent(f"it has networks at width 1 only, not {task.width:g}")
        packages = {"keras": peers.KERAS, "torch": peers.TORCH}[kind.environment]
        python = peers.peer_python(packages, say)
    return Contender(task, [python, "-m", kind.module])
