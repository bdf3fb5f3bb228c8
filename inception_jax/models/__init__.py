"""The networks: pure functions of `params` and `batch_stats`."""

from inception_jax.models.auxiliary import AuxiliaryHead
from inception_jax.models.geometry import MapTooSmall, smallest_input
from inception_jax.models.network import Network, Output
from inception_jax.models.registry import architecture, create, names, variants

__all__ = [
    "AuxiliaryHead",
    "MapTooSmall",
    "Network",
    "Output",
    "architecture",
    "create",
    "names",
    "smallest_input",
    "variants",
]
