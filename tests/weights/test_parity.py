"""Our networks against those of torchvision, timm and Keras: the same function of the same random weights.

The PyTorch peers have left their outputs in tests/goldens/parity (tests/goldens/make_parity.py); Keras runs here.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax import models
from inception_jax.models.network import AuxiliaryClassifier, abstract_variables
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.mapping import to_variables
from tests import seeded

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "tests/goldens/parity"
TOLERANCE = 1e-4  # of the range of the peer's values


def of_kind(kind: str, golden: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.removeprefix(f"{kind}/"): value for key, value in golden.items() if key.startswith(f"{kind}/")}


def assert_close(what: str, found: jax.Array, expected: np.ndarray) -> None:
    spread = np.ptp(expected)
    assert 0.01 < spread < 1000, f"{what}: the peer's own values vanish or explode"
    error = np.abs(np.asarray(found) - expected).max() / spread
    assert error < TOLERANCE, f"{what} is off by {error:.2g} of its range"


def assert_parity(
    name: str,
    golden: Mapping[str, np.ndarray],
    alter: Callable[[models.Network], models.Network] = lambda network: network,
    rename: Mapping[str, str] | None = None,
) -> None:
    """Compares with the peer; `alter` and `rename`, a network and names of tensors, are for faults."""
    source, heads = CATALOGUE[name].source, of_kind("head", golden)
    network = models.create(source.network, variant=source.variant, aux=bool(heads))
    images = jnp.asarray(seeded.images(*golden["images"]))
    abstract = abstract_variables(network, jax.ShapeDtypeStruct(images.shape, images.dtype))
    tensors = seeded.tensors(seeded.listed(golden["tensors"]))
    variables = to_variables(source, tensors | {new: tensors[old] for new, old in (rename or {}).items()}, abstract)

    network = alter(network)
    out = jax.jit(network.apply)(variables, images)
    for endpoint, mean in of_kind("mean", golden).items():  # the first to differ tells where to look
        assert_close(endpoint, out.endpoints[endpoint].mean((1, 2)), mean)
    assert_close("logits", out.logits, golden["logits"])
    for head, expected in zip(network.heads, heads.values(), strict=True):
        classifier = AuxiliaryClassifier(head, network.num_classes, network.style)
        subtree = {collection: tree[head.name] for collection, tree in variables.items()}
        logits: Any = classifier.apply(subtree, out.endpoints[head.after], train=False)
        assert_close(head.name, logits, expected)


def golden_of(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDENS / f"{name.replace('/', '_')}.npz") as golden:
        return dict(golden)


@pytest.mark.parametrize(
    "name",
    [
        "torchvision/googlenet",
        "torchvision/inception_v3",
        "timm/inception_v3",
        "timm/inception_v4",
        "timm/inception_resnet_v2",
    ],
)
def test_pytorch_peer(name):
    assert_parity(name, golden_of(name))


def other_epsilon(network: models.Network) -> models.Network:
    norm: Any = network.style.norm
    return network.clone(style=replace(network.style, norm=replace(norm, epsilon=1.1 * norm.epsilon)))


def other_variant(name: str, **options: Any) -> Callable[[models.Network], models.Network]:
    rows = models.architecture(CATALOGUE[name].source.network, CATALOGUE[name].source.variant, **options).rows
    return lambda network: network.clone(rows=rows)


@pytest.mark.parametrize(
    ("name", "alter"),
    [
        ("torchvision/googlenet", other_epsilon),
        ("torchvision/googlenet", other_variant("torchvision/googlenet", ceil_pools=False)),
        ("timm/inception_v3", other_variant("timm/inception_v3", count_padding=False)),
        ("timm/inception_resnet_v2", other_variant("timm/inception_resnet_v2", scale_35=0.171)),
    ],
    ids=["epsilon", "edge of the pools", "padding in averages", "residual scale"],
)
def test_a_small_fault_in_the_network_is_seen(name, alter):
    with pytest.raises(AssertionError, match="is off by"):
        assert_parity(name, golden_of(name), alter)


def test_two_tensors_in_each_others_place_are_seen():
    second, fourth = (f"Mixed_6e.branch7x7dbl_{part}.conv.weight" for part in (2, 4))
    with pytest.raises(AssertionError, match="mixed_6e is off by"):
        assert_parity("timm/inception_v3", golden_of("timm/inception_v3"), rename={second: fourth, fourth: second})


@pytest.fixture(scope="module")
def keras_goldens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("keras")
    environment = os.environ | {"KERAS_BACKEND": "jax", "KERAS_HOME": str(folder)}
    command = [sys.executable, "-W", "error", "-m", "tests.weights.keras_peer", str(folder / "goldens.npz")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "goldens.npz") as goldens:
        return dict(goldens)


@pytest.mark.parametrize("network", ["inception_v3", "inception_resnet_v2"])
def test_keras(network, keras_goldens):
    golden = {
        key.removeprefix(f"{network}:"): value for key, value in keras_goldens.items() if key.startswith(f"{network}:")
    }
    assert_parity(f"keras/{network}", golden)
