"""Runs a network's table: rows in order, endpoints by name, auxiliary heads, the classifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from inception_jax.models.auxiliary import AuxiliaryHead
from inception_jax.models.inception import InceptionModule
from inception_jax.models.layers import (
    BatchNormSpec,
    ConvNorm,
    MapTooSmall,
    Style,
    adaptive_avg_pool,
    he_normal,
    local_response_norm,
    pool,
)
from inception_jax.models.table import (
    AdaptiveAvgPool,
    Conv,
    Inception,
    LocalResponseNorm,
    Operation,
    Pool,
    Residual,
    Row,
    cut_to_map,
)


@dataclass(frozen=True)
class Architecture:
    """A network as its paper gives it, before width, class count and numeric choices."""

    rows: tuple[Row, ...]
    heads: tuple[AuxiliaryHead, ...]
    dropout: float
    norm: BatchNormSpec | None
    input_size: int
    kernel_init: nn.initializers.Initializer = he_normal
    bias_init: float = 0.0
    logits_stddev: float = 0.01
    published: dict[str, dict[str, str]] = field(default_factory=dict)


@flax.struct.dataclass
class Output:
    """What a network computes.

    Attributes:
      logits: float32 [B, classes]; None for a feature extractor (`num_classes=0`).
      aux_logits: float32 [B, classes] of each auxiliary head, in training only.
      features: float32 [B, C], the average over the last map, before dropout.
      endpoints: the output [B, H, W, C] of every row, by its name.
    """

    logits: jax.Array | None
    aux_logits: tuple[jax.Array, ...]
    features: jax.Array
    endpoints: dict[str, jax.Array]


class Network(nn.Module):
    """An `Architecture` with a class count, heads and a `Style`. Make one with `models.create`."""

    rows: tuple[Row, ...]
    heads: tuple[AuxiliaryHead, ...]
    num_classes: int
    dropout: float
    style: Style
    logits_stddev: float = 0.01

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> Output:
        """Classifies `images`, float [B, H, W, 3] in [-1, 1].

        Training needs `rngs={"dropout": key}`, and `mutable=["batch_stats"]` where there is batch norm.

        Raises:
          MapTooSmall: naming the row whose window no longer fits.
        """
        x = images.astype(self.style.dtype)
        endpoints: dict[str, jax.Array] = {}
        aux_logits = []
        heads = {head.after: head for head in self.heads}
        for name, operation in self.rows:
            x = endpoints[name] = apply_row(name, operation, self.style, x, train)
            if name in heads and (train or self.is_initializing()):
                head = heads[name]
                aux_logits.append(AuxiliaryClassifier(head, self.num_classes, self.style, name=head.name)(x, train))
        features = x.astype(jnp.float32).mean((1, 2))
        logits = None
        if self.num_classes:
            kept = nn.Dropout(self.dropout, deterministic=not train)(features)
            logits = classifier(self.num_classes, self.logits_stddev, "logits")(kept)
        return Output(logits, tuple(aux_logits) if train else (), features, endpoints)


class AuxiliaryClassifier(nn.Module):
    """Runs an `AuxiliaryHead`."""

    head: AuxiliaryHead
    num_classes: int
    style: Style

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[B, H, W, C] -> float32 logits [B, classes]."""
        for name, operation in self.head.rows:
            x = apply_row(name, cut_to_map(operation, *x.shape[1:3]), self.style, x, train)
        x = x.astype(jnp.float32).mean((1, 2))
        x = nn.Dropout(self.head.dropout, deterministic=not train)(x)
        return classifier(self.num_classes, self.head.logits_stddev, "logits")(x)


def apply_row(name: str, operation: Operation, style: Style, x: jax.Array, train: bool) -> jax.Array:
    """One row on [B, H, W, C], its parameters under `name` in the calling module's scope."""
    try:
        match operation:
            case Conv():
                return ConvNorm(operation, style, x.shape[-1], name=name)(x, train)
            case Inception() | Residual():
                return InceptionModule(operation, style, name=name)(x, train)
            case Pool():
                return pool(operation, x)
            case AdaptiveAvgPool():
                return adaptive_avg_pool(operation, x)
            case LocalResponseNorm():
                return local_response_norm(operation, x)
            case _:
                raise TypeError(f"{name}: {type(operation).__name__} is not a row")
    except MapTooSmall as error:
        raise MapTooSmall(f"{name}: {error}") from None


def classifier(num_classes: int, stddev: float, name: str) -> nn.Dense:
    """The last linear layer, in float32: features [B, C] -> logits [B, classes]."""
    return nn.Dense(num_classes, kernel_init=nn.initializers.truncated_normal(stddev), dtype=jnp.float32, name=name)


def is_too_small(network: Network, size: int) -> bool:
    """Whether `size` x `size` images leave some row without room for its window."""
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    try:
        abstract_variables(network, images)
    except MapTooSmall:
        return True
    return False


def smallest_input(network: Network) -> int:
    """The least side of a square image, in pixels, that the network accepts."""
    low, high = 0, 1
    while is_too_small(network, high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_too_small(network, middle) else (low, middle)
    return high


def abstract_variables(network: Network, images: jax.ShapeDtypeStruct) -> Any:
    """Shapes and dtypes of `params` and `batch_stats`, without computing anything."""
    return jax.eval_shape(network.init, jax.random.key(0), images)
