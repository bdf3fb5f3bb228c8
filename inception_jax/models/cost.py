"""Parameters and multiply-adds of a network, row by row, from its traced computation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from inception_jax.models.network import Network


@dataclass(frozen=True)
class Cost:
    """What one row of a network costs for one image.

    Attributes:
      name: the row, an auxiliary head, `bottleneck` or `logits`.
      shape: of the output, without the batch: (H, W, C), or (C,).
      parameters: trainable numbers.
      multiply_adds: of convolutions and linear layers; pools and normalisation are not counted.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


def costs(network: Network, size: int) -> list[Cost]:
    """Costs of all rows for a `size` x `size` image, in order; auxiliary heads behind the row they tap.

    Raises:
      MapTooSmall: the network does not accept that size.
    """
    network = network.clone(style=replace(network.style, fused=False), remat=0, scan=False)
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    closed, (out, variables) = jax.make_jaxpr(network.init_with_output, return_shape=True)(jax.random.key(0), images)
    parameters = {name: count_parameters(tree) for name, tree in variables["params"].items()}
    macs: Counter[str] = Counter()
    for path, count in _multiply_adds(closed.jaxpr):
        if row := next((part for part in path if part in parameters), None):  # else a product without weights: LRN
            macs[row] += count
    heads = {head.after: head.name for head in network.heads}
    rows = []
    for name, _ in network.rows:
        rows.append(Cost(name, out.endpoints[name].shape[1:], parameters.get(name, 0), macs[name]))
        if name in heads:
            head = heads[name]
            rows.append(Cost(head, (network.num_classes,), parameters[head], macs[head]))
    if network.embedding:
        rows.append(Cost("bottleneck", (network.embedding,), parameters["bottleneck"], macs["bottleneck"]))
    if network.num_classes:
        rows.append(Cost("logits", (network.num_classes,), parameters["logits"], macs["logits"]))
    return rows


def total(name: str, counted: Iterable[Cost]) -> Cost:
    """The sum of `counted`, without a shape."""
    counted = list(counted)
    return Cost(name, (), sum(c.parameters for c in counted), sum(c.multiply_adds for c in counted))


def count_parameters(tree: Any) -> int:
    """How many numbers the leaves of `tree` hold."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _multiply_adds(jaxpr: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """(module path, multiply-adds) of every convolution and matrix product."""
    for equation in jaxpr.eqns:
        path = prefix + tuple(part for part in str(equation.source_info.name_stack).split("/") if part)
        for inner in _subcomputations(equation.params):
            yield from _multiply_adds(inner, path)
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            spec = equation.params["dimension_numbers"].rhs_spec
            yield path, math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // kernel[spec[0]]
        elif equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            yield path, math.prod(equation.outvars[0].aval.shape) * math.prod(shape[axis] for axis in contracted)


def _subcomputations(params: Mapping[str, Any]) -> Iterator[Any]:
    for leaf in jax.tree.leaves(list(params.values()), is_leaf=lambda value: hasattr(value, "eqns")):
        inner = getattr(leaf, "jaxpr", leaf)
        if hasattr(inner, "eqns"):
            yield inner
