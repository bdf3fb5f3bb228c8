"""The one error of this package."""

from inception_jax.errors import UserError


class ConfigError(UserError, ValueError):
    """A config that cannot be run. The message names the field, its value and the remedy."""
