"""The Inception family in JAX: networks, recipes and evaluation protocols of the five papers."""

__version__ = "0.1.0"
