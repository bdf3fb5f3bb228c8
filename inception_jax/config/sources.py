"""Where the values of an experiment come from, written beside them and derived with them.

    cite(config, Source("paper", "arXiv 1512.00567, section 8"), epochs=100.0, optimizer={"learning_rate": 0.045})

sets the values and remembers their source. A value that is set in any other way afterwards no longer has that source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

KEY = "sources"
"""The entry of a ConfigDict that holds what `cite` remembers; no field of the schema."""

Kind = Literal["paper", "public code", "our choice", "miniature", "batch rule", "command line", "default"]


@dataclass(frozen=True)
class Source:
    """Where a value comes from: a paper, public code, or our choice because neither says.

    `where` is a sentence for a reader: the paper with its section, the file of the code, the reason for the choice.
    """

    kind: Kind
    where: str

    def __call__(self, part: str) -> Source:
        """The same source at a section, table or reason."""
        return replace(self, where=f"{self.where}, {part}" if self.where else part)


class _Cited(tuple[tuple[str, Any, Source], ...]):
    """(field, value, source) of every value cited; not a dict, which a ConfigDict would take apart."""


def cite(config: Any, source: Source, /, **values: Any) -> None:
    """Sets fields of an experiment's ConfigDict and remembers their source.

    Args:
      config: of `inception_jax.config.defaults`.
      source: of all these values.
      **values: a field of the experiment, or a section as a mapping of its fields. `options` of a network are added to
        those that are there.
    """
    known = {name: (name, value, old) for name, value, old in config.get(KEY, ())}
    for name, value in _leaves(values):
        *sections, field = name.split(".")
        section = config
        for part in sections:
            section = section[part]
        section[field] = value
        known[name] = (name, _plain(value), source)
    config[KEY] = _Cited(known.values())


def without_sources(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the schema alone."""
    return {name: value for name, value in config.items() if name != KEY}


def sources(
    config: Any, written: Mapping[str, Any], final: Mapping[str, Any], default: Mapping[str, Any]
) -> dict[str, Source]:
    """The source of each field of a resolved experiment.

    Args:
      config: with what `cite` remembers.
      written: the flat fields as the experiment's file gives them.
      final: those after changes on the command line.
      default: those of the schema.
    """
    cited = {name: (value, source) for name, value, source in config.get(KEY, ())}

    def source_of(name: str) -> Source:
        if final[name] != written.get(name):
            return Source("command line", f"the experiment has {json.dumps(written.get(name))}")
        if name in cited:
            value, source = cited[name]
            if value == final[name]:
                return source
            return Source("our choice", f"no source given; {json.dumps(value)} is of {source.where or source.kind}")
        if final[name] == default.get(name):
            return Source("default", "")
        return Source("our choice", "no source given")

    return {name: source_of(name) for name in final}


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _plain(value: Any) -> Any:
    """As `flatten` has it."""
    return json.loads(json.dumps(value))
