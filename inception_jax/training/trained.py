"""Trained weights with what it takes to use them: of a run, or of a file that `inception-jax convert` wrote."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import optax
from jax.sharding import Mesh

from inception_jax import models
from inception_jax.config import Config, ConfigError, Model, fingerprint, resolve
from inception_jax.distributed.mesh import make_mesh, replicated
from inception_jax.training.checkpoints import Checkpoints
from inception_jax.training.experiment import build_network
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.run_directory import RunDirectoryError, read_config
from inception_jax.training.state import abstract_state
from inception_jax.weights import checkpoint
from inception_jax.weights.checkpoint import BadCheckpoint, Meta
from inception_jax.weights.classes import without_first_classes
from inception_jax.weights.preprocessing import as_data_fields, of_data


@dataclass(frozen=True)
class Trained:
    """Weights that can be used.

    Attributes:
      config: of the run; of a weights file what it says of its network and images, else defaults.
      network: what the variables belong to.
      variables: `params` and `batch_stats`, a copy on every device of the mesh.
      class_names: of every logit; empty if unknown, or if the network is a feature extractor without logits.
      path: the run directory or the weights file.
      step: of the run; None for a weights file.
      meta: what a weights file says of itself; None for a run.
      sha256: of a weights file.
    """

    config: Config
    network: models.Network
    variables: dict[str, Any]
    class_names: tuple[str, ...]
    path: Path
    step: int | None = None
    meta: Meta | None = None
    sha256: str = ""

    def about(self) -> dict[str, Any]:
        """Which weights these are, for a row of results: `run` and `step`, or `weights` and `source`."""
        if self.meta is None:
            return {"run": str(self.path), "step": self.step}
        return {"weights": str(self.path), "source": self.meta.source or None}

    def identity(self) -> dict[str, Any]:
        """What tells these weights and what they see from all others, JSON-ready."""
        model, pixels = self.config.model, dataclasses.asdict(of_data(self.config.data))
        network = {"network": model.name, "variant": model.variant or next(iter(models.variants(model.name)))}
        which = {"sha256": self.sha256} if self.meta else {"fingerprint": fingerprint(self.config)}
        return {**self.about(), **which, **network, "preprocessing": pixels}

    def name_of(self, label: int) -> str:
        """The name of a class, or its number if the names are unknown."""
        return self.class_names[label] if self.class_names else str(label)


def load_trained(workdir: Path, which: Literal["best", "newest"] | int = "best", mesh: Mesh | None = None) -> Trained:
    """Reads a checkpoint of a run, changing nothing on disk; averaged weights if the run averages.

    Args:
      workdir: the run directory.
      which: `best` by validation top-1 (the newest, if none was validated), `newest`, or a step.
      mesh: where to put the variables, a copy on every device; default: all devices.

    Raises:
      RunDirectoryError: there is no such run or checkpoint, or it is damaged.
    """
    config = read_config(workdir)
    checkpoints = Checkpoints(workdir, config, read_only=True)
    try:
        steps = checkpoints.steps()
        if not steps:
            raise RunDirectoryError(f"{workdir} has no checkpoint yet")
        step = which if isinstance(which, int) else steps[-1]
        if which == "best":
            step = checkpoints.best() or step
        if step not in steps:
            raise RunDirectoryError(f"{workdir} has no checkpoint of step {step}; it has {', '.join(map(str, steps))}")
        class_names = tuple(checkpoints.read_meta(step)["class_names"])
        network = build_network(config, len(class_names))
        # The schedule's values matter to no shape, and depend on the training images, which are not needed here.
        optimizer = make_optimizer(config.optimizer, optax.constant_schedule(0.0))
        abstract = abstract_state(network, config, optimizer, mesh or make_mesh())
        variables = checkpoints.read_variables(step, abstract)
    finally:
        checkpoints.close()
    return Trained(config, network, variables, class_names, workdir, step)


def load_weights(path: Path, mesh: Mesh | None = None) -> Trained:
    """Reads a file that `inception-jax convert` or `export` wrote, without the classes that no label counts.

    Args:
      path: a `.safetensors` file with its sidecar.
      mesh: where to put the variables, a copy on every device; default: all devices.

    Raises:
      BadCheckpoint: missing, damaged, or of a network or preprocessing that is unknown here.
    """
    network, variables, meta = read_weights(path)
    _, config = described(path)
    on_devices = jax.device_put(variables, replicated(mesh or make_mesh()))
    return Trained(
        config=config,
        network=network,
        variables=on_devices,
        class_names=meta.class_names[_offset(meta) :],
        path=path,
        meta=meta,
        sha256=checkpoint.sha256_of(path),
    )


def read_weights(path: Path) -> tuple[models.Network, dict[str, Any], Meta]:
    """The network, its `params` and `batch_stats` as NumPy arrays, and what the file says of them.

    Where the first class is the background (`class_offset` 1), its logit is cut off: labels count from the class
    behind it, as in every other network, and no image is taken for background. TF-slim's own evaluation leaves it
    among the candidates, where it could only be wrong, since no image of ImageNet has that label.

    Raises:
      BadCheckpoint: see `load_weights`.
    """
    network, variables, meta = checkpoint.load(path)
    offset = _offset(meta)
    if len(meta.class_names) not in (0, meta.num_classes) or not 0 <= offset <= max(0, meta.num_classes - 1):
        raise BadCheckpoint(
            f"{checkpoint.sidecar_of(path)}: {len(meta.class_names)} class_names and class_offset {meta.class_offset} "
            f"do not go with num_classes {meta.num_classes}"
        )
    if not offset:
        return network, variables, meta
    return network.clone(num_classes=meta.num_classes - offset), without_first_classes(variables, offset), meta


def _offset(meta: Meta) -> int:
    return meta.class_offset if meta.num_classes else 0


def described(path: Path) -> tuple[Meta, Config]:
    """What a file's sidecar says, and the config that says the same of network and images.

    Raises:
      BadCheckpoint: it is missing, or a value makes no sense.
    """
    meta = checkpoint.read_meta(path)
    try:
        return meta, config_of(meta)
    except ConfigError as error:
        raise BadCheckpoint(f"{checkpoint.sidecar_of(path)}: {error}") from error


def config_of(meta: Meta) -> Config:
    """The config that says of network and images what `meta` says; everything else is at its default.

    Raises:
      ConfigError: a value that no config may have.
    """
    general = {field.name for field in dataclasses.fields(Model)} & set(meta.options)
    model = {
        "name": meta.network,
        "variant": meta.variant,
        "aux": meta.aux,
        **{name: meta.options[name] for name in general},  # such as `width`
        "options": {name: value for name, value in meta.options.items() if name not in general},
    }
    return resolve({"model": model, "data": as_data_fields(meta.preprocessing)})
