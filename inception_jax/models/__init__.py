"""The networks: pure functions of `params` and `batch_stats`."""

from inception_jax.models.auxiliary import AuxiliaryHead
from inception_jax.models.layers import MapTooSmall
from inception_jax.models.network import Network, Output, smallest_input
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
