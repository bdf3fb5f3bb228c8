"""The schema of an experiment: every field, its type, range and meaning, checked once.

An experiment file returns an `ml_collections.ConfigDict` (see `defaults`). `resolve` turns it into
the frozen dataclass `Config`, or raises `ConfigError` naming the field, the value and what would be
right. Nothing here touches a device, so a typing error costs a second.
"""

from inception_jax.config.augment import Augment
from inception_jax.config.check import as_config_dict, check_devices, defaults, resolve
from inception_jax.config.compare import difference, fingerprint, flatten, neutral_fields
from inception_jax.config.data import Data
from inception_jax.config.errors import ConfigError
from inception_jax.config.evaluation import Evaluation
from inception_jax.config.init import Init
from inception_jax.config.mesh import Mesh
from inception_jax.config.model import Model
from inception_jax.config.parallelism import Parallelism
from inception_jax.config.scales import view_scales
from inception_jax.config.schema import Config
from inception_jax.config.training import Average, Checkpoint, Log, Loss, Optimizer, Schedule

__all__ = [
    "Augment",
    "Average",
    "Checkpoint",
    "Config",
    "ConfigError",
    "Data",
    "Evaluation",
    "Init",
    "Log",
    "Loss",
    "Mesh",
    "Model",
    "Optimizer",
    "Parallelism",
    "Schedule",
    "as_config_dict",
    "check_devices",
    "defaults",
    "difference",
    "fingerprint",
    "flatten",
    "neutral_fields",
    "resolve",
    "view_scales",
]
