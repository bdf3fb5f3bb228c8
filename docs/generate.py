"""Writes docs/networks.md from the networks themselves: `make docs`."""

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from inception_jax import models
from inception_jax.models.catalogue import entry, pairs
from inception_jax.models.registry import definition
from inception_jax.reporting.tables import render

COSTS = ("network", "variant", "input", "smallest", "parameters", "with_heads", "multiply_adds")
PRINTED = ("network", "variant", "heads", "paper_params", "paper_ops", "weights")

INTRODUCTION = """# Networks

Generated from [inception_jax/models](../inception_jax/models) by `make docs`.

Every network of the five papers, in the form of its paper and in those of public code. What differs between two forms
of a network is an option, listed below; any option can be changed by itself:

```python
from inception_jax import models

network = models.create("bn_inception", variant="slim", num_classes=10, activation="sigmoid")
```

In a config these are `config.model.variant` and `config.model.options`. `inception-jax describe NAME` prints a network
row by row, and `inception-jax models` prints the tables of this page.

## Cost

Parameters are trainable numbers with 1000 classes, as used and with the auxiliary classifiers. Multiply-adds are those
of convolutions and linear layers for one image of the input size. Sides are in pixels.
"""


def main() -> None:
    """Writes the page beside this file."""
    Path(__file__).with_name("networks.md").write_text(page())


def page() -> str:
    """The whole page, in Markdown."""
    entries = [dataclasses.asdict(entry(*pair)) for pair in pairs()]
    parts = [
        INTRODUCTION,
        render(entries, COSTS, "markdown") + "\n",
        "## Public weights, and what the papers print\n",
        render(entries, PRINTED, "markdown") + "\n",
    ]
    seen = set()
    for name in models.names():
        module = importlib.import_module(definition(name).build.__module__)
        if module not in seen:
            seen.add(module)
            title, _, text = inspect.getdoc(module).partition(": ")
            parts += [f"## {title}\n", text + "\n"]
        parts += [section(name)]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def section(name: str) -> str:
    """The variants of one network in words, then its options."""
    variants = models.variants(name)
    words = "\n".join(f"- **{variant}**: {value.summary}" for variant, value in variants.items())
    return f"### `{name}`\n\n{words}\n\n{render(options(name), ('option', *variants, 'meaning'), 'markdown')}\n"


def options(name: str) -> list[dict[str, Any]]:
    """One row an option: its value in each variant, and what it means."""
    variants = models.variants(name)
    first = next(iter(variants.values())).options
    meanings = dict(re.findall(r"^  (\w+): (.*(?:\n    .*)*)", inspect.getdoc(type(first)), re.MULTILINE))
    return [
        {"option": f"`{field.name}`", "meaning": re.sub(r"\s+", " ", meanings[field.name])}
        | {variant: getattr(value.options, field.name) for variant, value in variants.items()}
        for field in dataclasses.fields(first)
    ]


if __name__ == "__main__":
    main()
