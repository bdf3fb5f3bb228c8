"""What every experiment derives from: the schema's defaults, each documented in `inception_jax/config/`."""

from inception_jax.config import defaults as get_config

__all__ = ["get_config"]
