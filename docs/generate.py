"""Writes docs/networks.md from the networks themselves and docs/weights.md from the catalogue: `make docs`."""

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
from inception_jax.weights.catalogue import CATALOGUE, PROJECTS, Published
from inception_jax.weights.readers import FORMATS

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
    """Writes the pages beside this file."""
    for name, write in PAGES.items():
        Path(__file__).with_name(name).write_text(write())


def networks() -> str:
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


def weights() -> str:
    """The page of public weights: template, with the tables in their places."""
    sources = []
    for prefix, where in PROJECTS.items():
        entries = {name: entry for name, entry in CATALOGUE.items() if name.split("/")[0] == prefix}
        licences = "; ".join(dict.fromkeys(entry.licence for entry in entries.values()))
        kinds = ", ".join(FORMATS[kind] for kind in dict.fromkeys(kind for e in entries.values() for kind in e.formats))
        rows = [source(name, entry) for name, entry in entries.items()]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        table = render(rows, columns, "markdown")
        sources.append(f"### {re.split('[,;]', where)[0]}\n\n{where}. {kinds}; {licences}.\n\n{table}\n")
    fits = [
        {"network": name, "sources": ", ".join(f"`{key}`" for key, e in CATALOGUE.items() if e.source.network == name)}
        for name in models.names()
    ]
    for row in fits:
        row["sources"] = row["sources"] or "none is published"
    template = Path(__file__).with_name("weights.template.md").read_text()
    tables = {"SOURCES": "\n".join(sources).rstrip(), "FITS": render(fits, ("network", "sources"), "markdown")}
    for mark, text in tables.items():
        template = template.replace(f"<!-- {mark} -->", text)
    return template


def source(name: str, entry: Published) -> dict[str, Any]:
    """One row: the file, the command and what to expect."""
    preprocessing = entry.preprocessing
    top1, top5 = entry.accuracy or (None, None)
    recognised = next(key for key, e in CATALOGUE.items() if e.source is entry.source and not e.by_name)
    given = "FILE.ckpt" if name.startswith("slim/") else "FILE"
    command = f"inception-jax convert {given} OUT.safetensors" + (f" --as {name}" if name != recognised else "")
    return {
        "name": f"`{name}`",
        "file": ", ".join(f"`{file}`" for file in entry.files) or "any other with these tensors",
        "network": f"{entry.source.network} {entry.source.variant}",
        "command": f"`{command}`",
        "top-1 %": top1 and str(top1),  # as it is published, not to four digits
        "top-5 %": top5 and str(top5),
        "pixels": preprocessing.size,
        "resized as": preprocessing.resize,
    }


PAGES = {"networks.md": networks, "weights.md": weights}

if __name__ == "__main__":
    main()
