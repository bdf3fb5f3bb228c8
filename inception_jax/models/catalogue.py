"""Every network and variant in one table: what it takes, what it costs, what fits it, what its paper prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inception_jax.models.cost import costs, total
from inception_jax.models.geometry import smallest_input
from inception_jax.models.registry import architecture, create, names, variants


@dataclass(frozen=True)
class Entry:
    """One variant at full width, with 1000 classes.

    Attributes:
      network: its name.
      variant: its name; the first of a network is the default.
      input: pixels of a side that it is meant for.
      smallest: pixels of a side that it accepts.
      parameters: trainable numbers of the network as used.
      with_heads: parameters with the auxiliary classifiers.
      multiply_adds: of convolutions and linear layers for one image of `input` pixels a side, as used.
      heads: auxiliary classifiers.
      paper_params: parameters as the paper prints them.
      paper_ops: operations as the paper prints them.
      weights: public weights that fit it.
    """

    network: str
    variant: str
    input: int
    smallest: int
    parameters: int
    with_heads: int
    multiply_adds: int
    heads: int
    paper_params: str | None
    paper_ops: str | None
    weights: str


def pairs(networks: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(network, variant) of all variants of `networks`, or of every network in the order of the papers.

    Raises:
      ValueError: an unknown network.
    """
    return [(name, variant) for name in networks or names() for variant in variants(name)]


def entry(name: str, variant: str) -> Entry:
    """The entry of one variant, which takes about a second to trace."""
    arch = architecture(name, variant)
    table = costs(create(name, variant=variant), arch.input_size)
    heads = {head.name for head in arch.heads}
    used = total("used", (cost for cost in table if cost.name not in heads))
    published = arch.published.get("total", {})
    return Entry(
        network=name,
        variant=variant,
        input=arch.input_size,
        smallest=smallest_input(arch.rows),
        parameters=used.parameters,
        with_heads=total("all", table).parameters,
        multiply_adds=used.multiply_adds,
        heads=len(heads),
        paper_params=published.get("params"),
        paper_ops=published.get("ops"),
        weights=", ".join(variants(name)[variant].weights),
    )
