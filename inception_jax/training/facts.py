"""What must be the same on every host before the first step."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import jax

import inception_jax
from inception_jax.config import fingerprint, flatten
from inception_jax.training.experiment import Experiment

_OF_ONE_HOST = ("data.data_dir", "data.threads", "data.prefetch")


def facts(experiment: Experiment) -> dict[str, Any]:
    """Versions, code, devices, images and config of this process; see `Job.require_same`.

    Every field of the config is compared, those too that change no parameter, such as how often to save: processes
    that save at different steps would wait for each other. What may differ is where one host keeps its images and
    how it reads them.
    """
    config = experiment.config
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint")},
        "inception_jax": inception_jax.__version__,
        "code": _hash_of_sources(),
        "devices": [jax.local_device_count(), jax.local_devices()[0].device_kind],
        f"images of {config.data.train_split}": len(experiment.train_source),
        f"images of {config.data.eval_split}": len(experiment.eval_source),
        "config": fingerprint(config),
        **{f"config.{name}": value for name, value in flatten(config).items() if name not in _OF_ONE_HOST},
    }


def _hash_of_sources() -> str:
    """Tells two states of the package apart, committed or not."""
    root = Path(inception_jax.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
