"""Every row of every network against what is stored of it, and proof that the guard sees small changes.

What is stored was made by this code; `tests/goldens/make_endpoints.py` says why, and remakes it.
"""

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest

from inception_jax import models
from tests.goldens import make_endpoints
from tests.goldens.make_endpoints import FOLDER, TOLERANCE, create, first_difference, inputs, load, summaries

VARIANTS = [(name, variant) for name in models.names() for variant in models.variants(name)]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_endpoints_are_those_that_are_stored(name, variant):
    stored = load(name)
    assert variant in stored, f"{name} {variant} is not stored: run tests/goldens/make_endpoints.py"
    network = create(name, variant)
    assert first_difference(stored[variant], summaries(network, *inputs(network))) is None


def test_nothing_is_stored_that_no_network_has():
    stored = {path.stem: set(load(path.stem)) for path in FOLDER.glob("*.json")}
    assert stored == {name: set(models.variants(name)) for name in models.names()}


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_what_is_stored_is_alive(name, variant):
    """A row that is constant or out of range would hide what changes in it."""
    for endpoint, values in load(name)[variant].items():
        assert 0.03 < values["std"] < 30, endpoint


def up_to(network: models.Network, last: str) -> models.Network:
    """The first rows, without what comes behind `last`."""
    stop = [row for row, _ in network.rows].index(last) + 1
    return network.clone(rows=network.rows[:stop], heads=(), num_classes=0)


def named(name: str, network: models.Network, variables: Any, images: np.ndarray) -> str:
    """What the guard says of a changed default variant of `name`."""
    stored = load(name)[next(iter(models.variants(name)))]
    return first_difference(stored, summaries(network, variables, images)) or "nothing"


@pytest.mark.parametrize(
    ("name", "options", "row"),
    [
        ("inception_v3", {"count_padding": True}, "mixed_5b"),
        ("bn_inception", {"bn_epsilon": 2e-3}, "conv1"),
        ("inception_resnet_v1", {"scale_17": 0.11}, "block17_1"),
    ],
)
def test_a_changed_option_is_named_by_its_first_row(name, options, row):
    default = next(iter(models.variants(name)))
    variables, images = inputs(create(name, default))
    assert named(name, up_to(create(name, default, **options), row), variables, images).startswith(f"{row} differs")


def test_a_pool_with_other_edges_is_named():
    network = create("googlenet", "paper")
    edges = {"pool1": "CEIL"}
    rows = [(row, dataclasses.replace(op, padding=edges[row]) if row in edges else op) for row, op in network.rows]  # type: ignore[type-var]
    message = named("googlenet", up_to(network.clone(rows=tuple(rows)), "pool1"), *inputs(network))
    assert message == "pool1 has shape [1, 16, 16, 16], was [1, 17, 17, 16]"


@pytest.mark.parametrize(
    ("row", "unit", "axis"),
    [("conv2d_2a", (), 0), ("mixed_6b", ("branch1_conv1_1x7",), 1), ("mixed_7b", ("branch2_conv2b_3x1",), 0)],
)
def test_a_flipped_kernel_is_named(row, unit, axis):
    network = create("inception_v3", "slim")
    variables, images = inputs(network)
    changed = copy.deepcopy(variables)
    leaf = changed["params"][row]
    for part in unit:
        leaf = leaf[part]
    leaf["kernel"] = np.flip(leaf["kernel"], axis)
    assert named("inception_v3", up_to(network, row), changed, images).startswith(f"{row} differs first: ")


@pytest.mark.parametrize(
    ("name", "options"),
    [("inception_v3", {"fused": False}), ("inception_resnet_v1", {"scan": True}), ("bn_inception", {"fused": False})],
)
def test_another_execution_is_no_change(name, options):
    network = create(name, next(iter(models.variants(name))), **options)
    assert named(name, network, *inputs(network)) == "nothing"


def example() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {row: make_endpoints.summary(rng.normal(3, 2, (1, 4, 4, 8))) for row in ("conv1", "pool1", "logits")}


def test_the_tolerance_is_a_share_of_the_standard_deviation():
    for what in ("mean", "std"):
        for share, message in ((0.5, None), (1.5, f"pool1 differs first: {what}")):
            changed = example()
            changed["pool1"][what] += share * TOLERANCE * changed["pool1"]["std"]
            assert str(first_difference(example(), changed)).startswith(str(message))
    changed = example()
    changed["pool1"]["elements"][2] = float("nan")
    changed["logits"]["mean"] = 0.0
    assert str(first_difference(example(), changed)).startswith("pool1 differs first: elements")


def test_rows_that_come_or_go_are_named():
    shorter = dict(list(example().items())[:2])
    renamed = {f"{row}_": values for row, values in example().items()}
    assert first_difference(example(), shorter) == "2 endpoints, were 3"
    assert first_difference(example(), renamed) == "conv1_ stands where conv1 was"


def test_remaking_says_what_changed_and_keeps_what_did_not(tmp_path, monkeypatch):
    found = example()
    monkeypatch.setattr(make_endpoints, "FOLDER", tmp_path)
    monkeypatch.setattr(make_endpoints, "inputs", lambda network: (None, None))
    monkeypatch.setattr(make_endpoints, "summaries", lambda network, variables, images: found)
    variants = list(models.variants("inception_v4"))

    def remade() -> list[str]:
        return [line.removeprefix("inception_v4 ") for line in make_endpoints.remake("inception_v4")]

    assert remade() == [f"{variant}: new" for variant in variants]
    before = (tmp_path / "inception_v4.json").read_text()
    found["conv1"]["mean"] *= 1 + 1e-6
    assert remade() == [f"{variant}: unchanged" for variant in variants]
    assert (tmp_path / "inception_v4.json").read_text() == before
    found["pool1"]["mean"] += 1
    make_endpoints.save("inception_v4", {**load("inception_v4"), "old": found})
    first_words = [line.split(" differs")[0] for line in remade()]
    assert first_words == [*(f"{variant}: pool1" for variant in variants), "old: gone"]
    assert list(load("inception_v4")) == variants
    assert first_difference(load("inception_v4")[variants[0]], found) is None
