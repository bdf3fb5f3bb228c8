"""Runs of equal blocks as one scanned block: compiled once, whatever their number.

The parameter tree keeps an entry for each block; they are stacked while tracing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from inception_jax.models.table import Inception, Operation, Residual, Row


def repeats(network: nn.Module, rows: Sequence[Row]) -> list[tuple[list[str], Operation]]:
    """The rows as (names, operation): modules behind an equal one, of parameters of equal shapes, share its entry."""
    found: list[tuple[list[str], Operation, Any]] = []
    for name, operation in rows:
        shapes = jax.tree.map(jnp.shape, network.get_variable("params", name))
        is_module = isinstance(operation, Inception | Residual)
        if is_module and found and found[-1][1:] == (operation, shapes):
            found[-1][0].append(name)
        else:
            found.append(([name], operation, shapes))
    return [(names, operation) for names, operation, _ in found]


def scan_blocks(
    network: nn.Module, block: nn.Module, names: Sequence[str], x: jax.Array, train: bool
) -> dict[str, jax.Array]:
    """Runs `block` on [B, H, W, C] with the variables of each of `names` in turn, in the scope of `network`.

    Returns:
      The output [B, H, W, C] of each, by its name. Batch statistics of `network` are updated.
    """
    present = [c for c in ("params", "batch_stats") if network.has_variable(c, names[0])]
    stacked = {c: _stack([network.get_variable(c, name) for name in names]) for c in present}
    mutable = [c for c in present if network.is_mutable_collection(c)]

    def body(x: jax.Array, variables: Any) -> Any:
        y, updated = block.apply(variables, x, train, mutable=mutable)
        return y, (y, updated)

    last, (outputs, updated) = lax.scan(body, x, stacked)
    for number, name in enumerate(names):
        for collection in mutable:
            network.put_variable(collection, name, jax.tree.map(lambda leaf, n=number: leaf[n], updated[collection]))
    return {name: outputs[number] for number, name in enumerate(names)} | {names[-1]: last}


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
