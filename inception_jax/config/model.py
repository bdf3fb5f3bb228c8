"""Section `model`: which network, in which form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from inception_jax.config.fields import choice, number, value


@dataclass(frozen=True)
class Model:
    """Which network, in which form."""

    name: str = value("googlenet", "a name that `inception_jax.models.names()` lists")
    variant: str = value("", "a variant of that network; empty is the network's default")
    width: float = number(1.0, 0.01, 8.0, "multiplies the channels of every convolution")
    modules: int = number(0, 0, 999, "only the first modules of the network, for quick tries; 0: all of them")
    aux: bool = value(True, "build the auxiliary classifiers (used in training only)")
    dropout: float | None = number(None, 0.0, 0.99, "share dropped before the classifier; None: the network's own")  # type: ignore[arg-type]
    bn_group_size: int = number(32, 0, 2**20, "images that share batch statistics; 0: the whole batch")
    bn_decay: float | None = number(None, 0.0, 1.0, "decay of the running statistics; None: the network's own")  # type: ignore[arg-type]
    dtype: str = choice("float32", ("float32", "bfloat16"), "of activations; parameters are float32")
    remat: int = number(0, 0, 99, "stages, from the images on, that are computed again for the backward pass")
    scan: bool = value(False, "run equal blocks in a row as one loop, which has been slower on TPU and CPU")
    options: dict[str, Any] = field(
        default_factory=dict, metadata={"doc": "options of that network, checked by the registry"}
    )
