"""One experiment: every section and field of it."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.config.augment import Augment
from inception_jax.config.data import Data
from inception_jax.config.evaluation import Evaluation
from inception_jax.config.fields import number, section
from inception_jax.config.init import Init
from inception_jax.config.mesh import Mesh
from inception_jax.config.model import Model
from inception_jax.config.parallelism import Parallelism
from inception_jax.config.training import Average, Checkpoint, Log, Loss, Optimizer, Schedule


@dataclass(frozen=True)
class Config:
    """One experiment. Sections are documented on their own classes."""

    seed: int = number(0, 0, 2**31 - 1, "of initial weights, data order, crops, distortions and dropout")
    batch_size: int = number(32, 1, 2**20, "images per update, over all devices and hosts")
    epochs: float = number(1.0, 0.0, 1e6, "length in passes over the training split")
    steps: int = number(0, 0, 10**12, "length in updates; 0: from `epochs`")
    model: Model = section(Model)
    init: Init = section(Init)
    data: Data = section(Data)
    augment: Augment = section(Augment)
    loss: Loss = section(Loss)
    optimizer: Optimizer = section(Optimizer)
    parallelism: Parallelism = section(Parallelism)
    schedule: Schedule = section(Schedule)
    average: Average = section(Average)
    evaluation: Evaluation = section(Evaluation)
    checkpoint: Checkpoint = section(Checkpoint)
    log: Log = section(Log)
    mesh: Mesh = section(Mesh)
