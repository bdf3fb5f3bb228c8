"""Stored endpoints of every network, made by the networks themselves: a guard against change, not a proof.

That a network is right is proved elsewhere: against the papers' tables (`tests/models/test_networks.py`), against
plain NumPy and Flax, and against public code (`tests/weights`). No independent source has the value of every row
of every variant, so what is stored here comes from the code as it was when those tests passed. It tells a change
that keeps the results from one that does not, and names the first row that differs.

Run it by hand after a change that is meant to alter results, and read what it prints before committing:

    python -m tests.goldens.make_endpoints
"""

import json
from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inception_jax import models
from inception_jax.models.geometry import map_side
from inception_jax.models.network import abstract_variables
from tests import seeded

FOLDER = Path(__file__).parent / "endpoints"

# Of an endpoint's standard deviation. `test_golden_endpoints.py` shows that other ways to execute a network stay
# within it, and that small faults do not.
TOLERANCE = 1e-4

Summary = dict[str, Any]
"""`shape`, `mean`, `std` and `elements` of one endpoint."""


def create(name: str, variant: str, **options: Any) -> models.Network:
    """The network that is stored: a quarter of the channels, 10 classes."""
    return models.create(name, variant=variant, width=0.25, num_classes=10, **options)


def image_side(network: models.Network, last: int) -> int:
    """Of the smallest image whose last map is `last` pixels a side, both squares."""
    for side in count(models.smallest_input(network.rows)):
        if reduce(lambda n, row: map_side(row[1], n), network.rows, side) >= last:
            return side
    raise AssertionError


def inputs(network: models.Network, batch: int = 1, last: int = 3) -> tuple[Any, np.ndarray]:
    """Variables that follow from their paths, and images as small as a last map of `last` pixels a side allows.

    On 3x3 pixels every tap of a 3x3 or 1x3 kernel sees some.
    """
    kinds = {"depthwise": "kernel", "mean": "moving_mean", "var": "moving_variance", "scale": "weight"}

    def value(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        names: list[str] = [part.key for part in path]
        return seeded.tensor("/".join([*names, kinds.get(names[-1], names[-1])]), leaf.shape)

    images = seeded.images(batch, image_side(network, last))
    shapes = abstract_variables(network, jax.ShapeDtypeStruct(images.shape, jnp.float32))
    return jax.tree.map_with_path(value, shapes), images


def summaries(network: models.Network, variables: Any, images: np.ndarray) -> dict[str, Summary]:
    """Of every row at inference, in order, of the embedding if there is one, and of the logits."""
    out: Any = jax.jit(network.apply)(variables, images)
    rows = [row for row, _ in network.rows]
    in_order = sorted(out.endpoints, key=rows.index)  # jit has sorted them by name
    values = {row: out.endpoints[row] for row in in_order} | {"embedding": out.embedding, "logits": out.logits}
    return {name: summary(np.asarray(value)) for name, value in values.items() if value is not None}


def summary(value: np.ndarray) -> Summary:
    """The elements are the first, the last and two between."""
    flat = value.ravel().astype(np.float64)
    elements = flat[[(flat.size - 1) * part // 3 for part in range(4)]]
    return {"shape": list(value.shape), "mean": flat.mean(), "std": flat.std(), "elements": elements.tolist()}


def first_difference(stored: Mapping[str, Summary], found: Mapping[str, Summary]) -> str | None:
    """Names the first endpoint that differs, and how; None if none does."""
    for (was_name, was), (name, now) in zip(stored.items(), found.items(), strict=False):
        if name != was_name:
            return f"{name} stands where {was_name} was"
        if now["shape"] != was["shape"]:
            return f"{name} has shape {now['shape']}, was {was['shape']}"
        for what in ("mean", "std", "elements"):
            error = np.abs(np.subtract(now[what], was[what])).max() / was["std"]
            if not error <= TOLERANCE:  # so that NaN differs
                return f"{name} differs first: {what} {now[what]}, was {was[what]}, off by {error:.1e} of its std"
    if len(stored) != len(found):
        return f"{len(found)} endpoints, were {len(stored)}"
    return None


def load(name: str) -> dict[str, dict[str, Summary]]:
    """What is stored of a network: variant -> endpoint -> summary."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def save(name: str, stored: Mapping[str, Mapping[str, Summary]]) -> None:
    """One line an endpoint, so that a diff shows which changed."""
    variants = []
    for variant, endpoints in stored.items():
        lines = ",\n".join(f'"{endpoint}": {json.dumps(values)}' for endpoint, values in endpoints.items())
        variants.append(f'"{variant}": {{\n{lines}\n}}')
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(variants) + "\n}\n")


def remake(name: str) -> Iterator[str]:
    """Stores what differs from before, and says it; what stays within the tolerance keeps its digits."""
    before, after = load(name), {}
    for variant in models.variants(name):
        network = create(name, variant)
        found = summaries(network, *inputs(network))
        difference = first_difference(before[variant], found) if variant in before else "new"
        after[variant] = rounded(found) if difference else before[variant]
        yield f"{name} {variant}: {difference or 'unchanged'}"
    for variant in before.keys() - after.keys():
        yield f"{name} {variant}: gone"
    save(name, after)


def rounded(found: Mapping[str, Summary]) -> dict[str, Summary]:
    """To seven significant digits, float32's."""
    return {
        endpoint: {
            "shape": values["shape"],
            "mean": float(f"{values['mean']:.7g}"),
            "std": float(f"{values['std']:.7g}"),
            "elements": [float(f"{element:.7g}") for element in values["elements"]],
        }
        for endpoint, values in found.items()
    }


def main() -> None:
    """Remakes every file."""
    for name in models.names():
        for line in remake(name):
            print(line, flush=True)
    for path in FOLDER.glob("*.json"):
        if path.stem not in models.names():
            path.unlink()
            print(f"{path.stem}: gone")


if __name__ == "__main__":
    main()
