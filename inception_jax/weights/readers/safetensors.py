"""The `.safetensors` format, by its own library, which checks the header against the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from inception_jax.weights.readers.files import BadFile


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor by its name.

    Raises:
      BadFile: cut off, altered, or with a header that claims more than the file has.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
    except (SafetensorError, OSError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise BadFile(f"it is no whole safetensors file: {str(error)[:120]}") from error
