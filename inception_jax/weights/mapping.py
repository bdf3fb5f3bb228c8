"""Tensors by the names of public code -> variables of our networks, every tensor accounted for.

A table is written by layers: a layer's name there, its path here. Rows that differ in a part of both
are one row with braces, as in a shell: `Mixed_5{b,c}.branch1x1` -> `mixed_5{b,c}/branch0_conv0_1x1`.
What a layer holds, and which of their names that has, follows from the variables of the network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from inception_jax.errors import UserError

Layers = Mapping[str, Mapping[str, str]]
"""A layer's path -> what it holds -> where that is among the variables:
`mixed_5b/branch0_conv0_1x1` -> `norm/mean` -> `batch_stats/mixed_5b/branch0_conv0_1x1/norm/mean`."""

_VARIABLE = re.compile(r"(?:params|batch_stats)/(?P<layer>.+?)/(?P<held>(?:norm/)?\w+)")
_BRACES = re.compile(r"\{(.+?)\}")


class WeightsMismatch(UserError, ValueError):
    """Tensors that do not fill a network exactly.

    Attributes:
      unused: names of source tensors that have no place in the network.
      missing: our variables that no source tensor fills, each with the name it would have if the table tells.
      misshapen: source tensors of another shape than their place, with both shapes.
    """

    def __init__(self, source: Source, unused: Sequence[str], missing: Sequence[str], misshapen: Sequence[str]) -> None:
        self.unused, self.missing, self.misshapen = tuple(unused), tuple(missing), tuple(misshapen)
        kinds = {"without a place": self.unused, "missing": self.missing, "of another shape": self.misshapen}
        found = "; ".join(f"{len(names)} {kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
        super().__init__(
            f"these tensors do not fill the network, which must be the {source.variant} variant of {source.network} "
            f"with the classes and auxiliary heads of the source: {found}"
        )


class NoNameThere(UserError, ValueError):
    """Variables of a network for which another code base has no tensor."""


@dataclass(frozen=True)
class Source:
    """One network as one public code base names and lays out its tensors.

    Attributes:
      network: its name in `models.names()`.
      variant: the variant that computes the same function.
      table: names of the source's tensors and our layers -> name of a tensor there, path of the variable here.
      layout: a tensor and the shape of its place -> the tensor with its axes in our order.
      restore: the name of a tensor and its value here -> its value there, `layout` undone; none where nothing writes
        such files.
      ignored: ends of the names of tensors that stand for nothing in the network.
    """

    network: str
    variant: str
    table: Callable[[Collection[str], Layers], Mapping[str, str]]
    layout: Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
    ignored: tuple[str, ...] = ()
    restore: Callable[[str, np.ndarray], np.ndarray] | None = None


def to_variables(source: Source, tensors: Mapping[str, np.ndarray], abstract: Mapping[str, Any]) -> dict[str, Any]:
    """Fills a network's variables.

    Args:
      source: where the tensors come from.
      tensors: every tensor of one network, by its name there.
      abstract: shapes and dtypes to fill, as of `models.network.abstract_variables`.

    Returns:
      `params` and `batch_stats`, NumPy arrays of the structure, shapes and dtypes of `abstract`.

    Raises:
      WeightsMismatch: naming every tensor without a place, every variable without a tensor and every tensor
        of another shape.
    """
    wanted: Any = flatten_dict(abstract, sep="/")
    names = [name for name in tensors if not name.endswith(source.ignored)]
    table = source.table(names, layers(wanted))
    place_of = {name: table[name] for name in names if name in table and table[name] in wanted}
    name_of = {path: name for name, path in place_of.items()}
    expected = {path: f"{path} (their {name})" for name, path in table.items()}
    unused = [name for name in names if name_of.get(place_of.get(name, "")) != name]
    missing = [expected.get(path) or path for path in wanted if path not in name_of]
    misshapen, filled = [], {}
    for path, name in name_of.items():
        array = source.layout(tensors[name], wanted[path].shape)
        if array.shape != wanted[path].shape:
            misshapen.append(f"{name} {tensors[name].shape} for {path} {wanted[path].shape}")
        filled[path] = np.ascontiguousarray(array, wanted[path].dtype)
    if unused or missing or misshapen:
        raise WeightsMismatch(source, unused, missing, misshapen)
    return unflatten_dict({path: filled[path] for path in wanted}, sep="/")


def to_tensors(source: Source, variables: Mapping[str, Any], names: Collection[str] = ()) -> dict[str, np.ndarray]:
    """The tensors of a network as the source names and lays them out: `to_variables` run backwards.

    Args:
      source: one with a `restore`.
      variables: `params` and `batch_stats`.
      names: of the source's tensors, where its table needs them (Keras).

    Raises:
      NoNameThere: naming every variable that has no tensor there.
    """
    assert source.restore
    flat: Any = flatten_dict(dict(variables), sep="/")
    named = {path: name for name, path in source.table(names, layers(flat)).items()}
    unnamed = [path for path in flat if path not in named]
    if unnamed:
        raise NoNameThere(
            f"{len(unnamed)} variables of {source.network} {source.variant} have no tensor there: {', '.join(unnamed)}"
        )
    return {
        named[path]: np.ascontiguousarray(source.restore(named[path], np.asarray(value)))
        for path, value in flat.items()
    }


def layers(variables: Collection[str]) -> dict[str, dict[str, str]]:
    """Groups paths of variables by the layer that they belong to."""
    found: dict[str, dict[str, str]] = {}
    for path in variables:
        match = _VARIABLE.fullmatch(path)
        assert match, f"{path} is not a variable of a layer"
        found.setdefault(match["layer"], {})[match["held"]] = path
    return found


def expand(rows: Mapping[str, str]) -> dict[str, str]:
    """Writes out rows with braces: `{"a{1,2}": "b{x,y}"}` is `{"a1": "bx", "a2": "by"}`; `{1..9}` counts."""
    return {
        theirs: ours
        for left, right in rows.items()
        for theirs, ours in zip(_alternatives(left), _alternatives(right), strict=True)
    }


def _alternatives(pattern: str) -> list[str]:
    braces = _BRACES.search(pattern)
    if not braces:
        return [pattern]
    first, dots, last = braces[1].partition("..")
    parts = map(str, range(int(first), int(last) + 1)) if dots else braces[1].split(",")
    return [pattern[: braces.start()] + part + pattern[braces.end() :] for part in parts]
