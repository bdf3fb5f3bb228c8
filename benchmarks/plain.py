"""The plain way of writing the same networks: an `nn.Conv` and an `nn.BatchNorm` a layer, Flax's pools, `concatenate`.

It walks the same tables (`models.table`) and names its parameters as `models.network` does, but shares no
layer with it: nothing is fused, batch statistics are over the whole batch, and pools are `reduce_window`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from inception_jax.models import Network, Output
from inception_jax.models.auxiliary import AuxiliaryHead
from inception_jax.models.layers import Style
from inception_jax.models.table import (
    AdaptiveAvgPool,
    Conv,
    Inception,
    LocalResponseNorm,
    Operation,
    Padding,
    Pool,
    Residual,
    Row,
    Split,
    conv,
    cut_to_map,
    scaled,
)


def plain(network: Network) -> PlainNetwork:
    """The same network in plain layers."""
    return PlainNetwork(
        network.rows,
        network.heads,
        network.num_classes,
        network.dropout,
        network.style,
        network.logits_stddev,
        network.embedding,
    )


class PlainNetwork(nn.Module):
    """A network of `models.create`, layer by layer."""

    rows: tuple[Row, ...]
    heads: tuple[AuxiliaryHead, ...]
    num_classes: int
    dropout: float
    style: Style
    logits_stddev: float
    embedding: int

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> Output:
        """Float [B, H, W, 3] -> logits and auxiliary logits, [B, classes]; features [B, C]."""
        x = images.astype(self.style.dtype)
        aux_logits = {}
        for name, operation in self.rows:
            x = layer(operation, self.style, x, train, name)
            for head in self.heads:
                if head.after == name and (train or self.is_initializing()):
                    classifier = PlainHead(head, self.num_classes, self.style, name=head.name)
                    aux_logits[head.name] = classifier(x, train)
        x = features = jnp.mean(x.astype(jnp.float32), (1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        if self.embedding:
            style = replace(self.style, width=1.0, activation=lambda y: y, dtype=jnp.float32)
            x = PlainConv(conv(self.embedding), style, name="bottleneck")(x[:, None, None], train)[:, 0, 0]
        logits = dense(self.num_classes, self.logits_stddev)(x)
        return Output(logits, tuple(aux_logits[head.name] for head in self.heads) if train else (), features, {})


class PlainHead(nn.Module):
    """An auxiliary classifier."""

    head: AuxiliaryHead
    num_classes: int
    style: Style

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[B, H, W, C] -> logits [B, classes]."""
        for name, operation in self.head.rows:
            x = layer(cut_to_map(operation, *x.shape[1:3]), self.style, x, train, name)
        x = jnp.mean(x.astype(jnp.float32), (1, 2))
        x = nn.Dropout(self.head.dropout, deterministic=not train)(x)
        return dense(self.num_classes, self.head.logits_stddev)(x)


class PlainModule(nn.Module):
    """An Inception module, with its shortcut if it is residual."""

    op: Inception | Residual
    style: Style

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[B, H, W, C] -> [B, H', W', channels]."""
        outputs = []
        for number, branch in enumerate(self.op.branches):
            y, index = x, 0
            for operation in branch:
                if isinstance(operation, Split):
                    parts = []
                    for letter, part in zip("abcdefgh", operation.convs, strict=False):
                        name = f"branch{number}_conv{index}{letter}_{part.label}"
                        parts.append(layer(part, self.style, y, train, name))
                    y = jnp.concatenate(parts, axis=-1)
                    index += 1
                elif isinstance(operation, Conv):
                    y = layer(operation, self.style, y, train, f"branch{number}_conv{index}_{operation.label}")
                    index += 1
                else:
                    y = layer(operation, self.style, y, train, None)
            outputs.append(y)
        y = jnp.concatenate(outputs, axis=-1)
        if isinstance(self.op, Inception):
            return y
        up = conv(x.shape[-1], linear=True)
        x = x + self.op.scale * PlainConv(up, replace(self.style, width=1.0), name="up")(y, train)
        return self.style.activation(x) if self.op.activate else x


class PlainConv(nn.Module):
    """A convolution, its batch norm and its activation."""

    op: Conv
    style: Style

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[B, H, W, C] -> [B, H', W', features]."""
        op, style = self.op, self.style
        norm = None if op.linear or not op.norm else style.norm
        kernel, stride, padding = op.kernel, op.stride, sides(op.padding)
        init = nn.initializers.truncated_normal(op.stddev) if op.stddev else style.kernel_init
        if op.multiplier:
            channels = x.shape[-1]
            x = nn.Conv(
                channels * op.multiplier,
                kernel,
                stride,
                padding,
                feature_group_count=channels,
                use_bias=False,
                dtype=style.dtype,
                kernel_init=init,
                name="depthwise",
            )(x)
            kernel, stride, padding = (1, 1), 1, "VALID"
        x = nn.Conv(
            scaled(op.features, style.width),
            kernel,
            stride,
            padding,
            use_bias=style.biased or not norm,
            dtype=style.dtype,
            kernel_init=init,
            bias_init=nn.initializers.constant(0.0 if op.linear else style.bias_init),
            name="conv",
        )(x)
        if norm:
            x = nn.BatchNorm(
                use_running_average=not train,
                momentum=norm.decay,
                epsilon=norm.epsilon,
                use_scale=norm.scale,
                dtype=style.dtype,
                name="norm",
            )(x)
        return x if op.linear else style.activation(x)


def layer(operation: Operation, style: Style, x: jax.Array, train: bool, name: str | None) -> jax.Array:
    """One operation on [B, H, W, C], its parameters under `name` in the calling module."""
    match operation:
        case Conv():
            return PlainConv(operation, style, name=name)(x, train)
        case Inception() | Residual():
            return PlainModule(operation, style, name=name)(x, train)
        case Pool(kind, window, stride, padding, count_padding):
            edges: Any = ceil_mode(x.shape[1:3], window, stride) if padding == "CEIL" else sides(padding)
            if kind == "max":
                return nn.max_pool(x, (window, window), (stride, stride), edges)
            return nn.avg_pool(x, (window, window), (stride, stride), edges, count_include_pad=count_padding)
        case AdaptiveAvgPool(size):
            rows, columns = (bins(length, size) for length in x.shape[1:3])
            cells = [[jnp.mean(x[:, r0:r1, c0:c1], (1, 2)) for c0, c1 in columns] for r0, r1 in rows]
            return jnp.stack([jnp.stack(row, 1) for row in cells], 1)
        case LocalResponseNorm(window, alpha, k):
            wide = x.astype(jnp.float32)
            sums = lax.reduce_window(wide * wide, 0.0, lax.add, (1, 1, 1, window), (1, 1, 1, 1), "SAME")
            return (wide / (k + alpha / window * sums) ** 0.75).astype(x.dtype)
    raise TypeError(f"{name}: {type(operation).__name__} is not a layer")


def dense(classes: int, stddev: float) -> nn.Dense:
    """The last linear layer of a classifier."""
    return nn.Dense(classes, kernel_init=nn.initializers.truncated_normal(stddev), name="logits")


def sides(padding: Padding) -> Any:
    """Padding as Flax takes it."""
    return padding if isinstance(padding, str) else [(padding, padding), (padding, padding)]


def ceil_mode(lengths: Sequence[int], window: int, stride: int) -> list[tuple[int, int]]:
    """Padding behind the map, so that a last window which starts on it counts although it sticks out."""
    pads = []
    for length in lengths:
        behind = 0
        while (length + behind - window) % stride or length + behind < window:
            behind += 1
        pads.append((0, behind))
    return pads


def bins(length: int, size: int) -> list[tuple[int, int]]:
    """`size` ranges that cover `length` evenly, as torch's adaptive pools have them."""
    return [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
