"""Runs a network's table: rows in order, endpoints by name, auxiliary heads, the classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from inception_jax.models.auxiliary import AuxiliaryHead
from inception_jax.models.blocks import repeats, scan_blocks
from inception_jax.models.geometry import MapTooSmall, stages
from inception_jax.models.inception import InceptionModule
from inception_jax.models.layers import (
    BatchNormSpec,
    ConvNorm,
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
    conv,
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
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    kernel_init: nn.initializers.Initializer = he_normal
    bias_init: float = 0.0
    biased: bool = False
    embedding: int = 0
    logits_stddev: float = 0.01
    published: dict[str, dict[str, str]] = field(default_factory=dict)


def shortened(architecture: Architecture, modules: int) -> Architecture:
    """The network without what follows its first `modules` Inception modules or residual blocks.

    Auxiliary heads on rows that are gone read the last row that is left.
    """
    rows: list[Row] = []
    for row in architecture.rows:
        if isinstance(row[1], Inception | Residual):
            modules -= 1
        if modules < 0:
            break
        rows.append(row)
    names = {name for name, _ in rows}
    heads = tuple(head if head.after in names else replace(head, after=rows[-1][0]) for head in architecture.heads)
    return replace(architecture, rows=tuple(rows), heads=heads)


class Variant(NamedTuple):
    """One form of a network: the `options` that build it, what it is in plain words, the public weights that fit it."""

    options: Any
    summary: str
    weights: tuple[str, ...] = ()


@flax.struct.dataclass
class Output:
    """What a network computes.

    Attributes:
      logits: float32 [B, classes]; None for a feature extractor (`num_classes=0`).
      aux_logits: float32 [B, classes] of each auxiliary head, in training only.
      features: float32 [B, C], the average over the last map, before dropout.
      endpoints: the output [B, H, W, C] of every row, by its name.
      embedding: float32 [B, E] of unit length, of a network that has a linear layer for it (facenet).
    """

    logits: jax.Array | None
    aux_logits: tuple[jax.Array, ...]
    features: jax.Array
    endpoints: dict[str, jax.Array]
    embedding: jax.Array | None = None


class Network(nn.Module):
    """An `Architecture` with a class count, heads and a `Style`. Make one with `models.create`.

    `remat` and `scan` choose how it is executed; neither changes parameters or results.
    """

    rows: tuple[Row, ...]
    heads: tuple[AuxiliaryHead, ...]
    num_classes: int
    dropout: float
    style: Style
    logits_stddev: float = 0.01
    embedding: int = 0
    remat: int = 0
    scan: bool = False

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> Output:
        """Classifies `images`, float [B, H, W, 3] in [-1, 1].

        Training needs `rngs={"dropout": key}`, and `mutable=["batch_stats"]` where there is batch norm.

        Raises:
          MapTooSmall: naming the row whose window no longer fits.
        """
        x = images.astype(self.style.dtype)
        endpoints: dict[str, jax.Array] = {}
        for number, rows in enumerate(stages(self.rows)):
            run = partial(_run_rows, rows=rows, train=train)
            x, outputs = (nn.remat(run) if number < self.remat else run)(self, x)
            endpoints |= outputs
        aux_logits = []
        if train or self.is_initializing():
            for head in self.heads:
                auxiliary = AuxiliaryClassifier(head, self.num_classes, self.style, name=head.name)
                aux_logits.append(auxiliary(endpoints[head.after], train))
        features = x.astype(jnp.float32).mean((1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(features)
        embedding = logits = None
        if self.embedding:
            x = self._bottleneck(x, train)
            embedding = x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        if self.num_classes:
            logits = classifier(self.num_classes, self.logits_stddev, "logits")(x)
        return Output(logits, tuple(aux_logits) if train else (), features, endpoints, embedding)

    def _bottleneck(self, x: jax.Array, train: bool) -> jax.Array:
        """Linear layer with batch norm, float32 [B, C] -> [B, E]: facenet's embedding before it is normalised."""
        style = replace(self.style, width=1.0, activation=lambda y: y, dtype=jnp.float32)
        unit = ConvNorm(conv(self.embedding), style, x.shape[-1], name="bottleneck")
        return unit(x[:, None, None], train)[:, 0, 0]


def _run_rows(
    network: Network, x: jax.Array, *, rows: tuple[Row, ...], train: bool
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Consecutive rows on [B, H, W, C]: the last output, and every row's by its name."""
    outputs: dict[str, jax.Array] = {}
    scanned = network.scan and not network.is_initializing()
    for names, operation in repeats(network, rows) if scanned else [([name], operation) for name, operation in rows]:
        if len(names) > 1 and isinstance(operation, Inception | Residual):
            outputs |= scan_blocks(network, InceptionModule(operation, network.style, parent=None), names, x, train)
        else:
            outputs[names[0]] = apply_row(names[0], operation, network.style, x, train)
        x = outputs[names[-1]]
    return x, outputs


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


def abstract_variables(network: Network, images: jax.ShapeDtypeStruct) -> Any:
    """Shapes and dtypes of `params` and `batch_stats`, without computing anything."""
    return jax.eval_shape(network.init, jax.random.key(0), images)
