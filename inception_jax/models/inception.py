"""The Inception module: a table of branches, executed fused.

Two identities make the fused form exact. All 1x1 convolutions that open a branch read the same
input, so they are one matrix product over concatenated kernels. A 1x1 convolution after an average
pool is linear in each pixel while the pool is linear over pixels, so it can go first: it joins the
same product, and the pool then runs on the projection's channels. The parameter tree has one entry
for each convolution either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp

from inception_jax.models.layers import ConvNorm, Style, finish, local_response_norm, matmul_1x1, pool
from inception_jax.models.table import Conv, Inception, LocalResponseNorm, Operation, Pool, Residual, Split, scaled

Step = tuple[Operation, list[ConvNorm]]


class InceptionModule(nn.Module):
    """Runs `op.branches` on [B, H, W, C] and concatenates their channels in the order listed.

    A `Residual` adds what its branches make, through a linear 1x1 called `up`, to its input.

    Convolution i of branch b is called `branch{b}_conv{i}_{h}x{w}`, counted from 0; the parts of a
    split carry a letter: `branch1_conv1a_1x3`.
    """

    op: Inception | Residual
    style: Style

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[B, H, W, C] -> [B, H', W', sum of the branches' channels], or as the input if residual."""
        branches = [self._steps(number, x.shape[-1]) for number in range(len(self.op.branches))]
        starts = self._open(branches, x, train) if self.style.fused else {}
        outputs = []
        for number, steps in enumerate(branches):
            y, rest = starts.get(number, (x, steps))
            for operation, units in rest:
                y = run(operation, units, y, train)
            outputs.append(y)
        y = jnp.concatenate(outputs, axis=-1)
        return self._add(x, y, train) if isinstance(self.op, Residual) else y

    def _add(self, x: jax.Array, y: jax.Array, train: bool) -> jax.Array:
        assert isinstance(self.op, Residual)
        channels = x.shape[-1]
        style = replace(self.style, width=1.0)  # the input's channels are scaled already
        up = ConvNorm(Conv(channels, linear=True), style, y.shape[-1], name="up")
        total = x + self.op.scale * up(y, train)
        return self.style.activation(total) if self.op.activate else total

    def _steps(self, number: int, channels: int) -> list[Step]:
        """The branch's operations, each with the convolutions that hold its parameters."""
        steps: list[Step] = []
        index = 0
        for operation in self.op.branches[number]:
            units = []
            for letter, conv in _convolutions(operation):
                name = f"branch{number}_conv{index}{letter}_{conv.label}"
                units.append(ConvNorm(conv, self.style, channels, name=name))
            if units:
                channels = sum(scaled(unit.op.features, self.style.width) for unit in units)
                index += 1
            steps.append((operation, units))
        return steps

    def _open(self, branches: list[list[Step]], x: jax.Array, train: bool) -> dict[int, tuple[jax.Array, list[Step]]]:
        """Runs every opening 1x1 as one product: branch -> (its value so far, the steps left)."""
        direct = [n for n, steps in enumerate(branches) if _opens(steps[0][0])]
        pooled = [n for n, steps in enumerate(branches) if _pool_then_projection(steps)]
        if not direct and not pooled:
            return {}
        units = [branches[n][0][1][0] for n in direct] + [branches[n][1][1][0] for n in pooled]
        products = matmul_1x1(units, x)
        starts = {}
        if direct:
            width = sum(unit.features for unit in units[: len(direct)])
            opened = finish(units[: len(direct)], products[..., :width], train)
            for n, value in zip(direct, _split(opened, units[: len(direct)]), strict=True):
                starts[n] = value, branches[n][1:]
            products = products[..., width:]
        for n, unit, value in zip(pooled, units[len(direct) :], _split(products, units[len(direct) :]), strict=True):
            averaged = pool(branches[n][0][0], value)  # type: ignore[arg-type]
            starts[n] = finish([unit], averaged, train), branches[n][2:]
        return starts


def run(operation: Operation, units: list[ConvNorm], x: jax.Array, train: bool) -> jax.Array:
    """One operation of a branch on [B, H, W, C]."""
    match operation:
        case Conv():
            return units[0](x, train)
        case Split():
            return jnp.concatenate([unit(x, train) for unit in units], axis=-1)
        case Pool():
            return pool(operation, x)
        case LocalResponseNorm():
            return local_response_norm(operation, x)
        case _:
            raise TypeError(f"{type(operation).__name__} cannot stand inside a branch")


def _convolutions(operation: Operation) -> Iterator[tuple[str, Conv]]:
    if isinstance(operation, Conv):
        yield "", operation
    elif isinstance(operation, Split):
        yield from zip("abcdefgh", operation.convs, strict=False)


def _opens(operation: Operation) -> bool:
    return isinstance(operation, Conv) and operation.opens_branch and operation.norm and not operation.linear


def _pool_then_projection(steps: list[Step]) -> bool:
    return len(steps) > 1 and isinstance(steps[0][0], Pool) and steps[0][0].commutes and _opens(steps[1][0])


def _split(values: jax.Array, units: list[ConvNorm]) -> Iterator[jax.Array]:
    start = 0
    for unit in units:
        yield values[..., start : start + unit.features]
        start += unit.features
