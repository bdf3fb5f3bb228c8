"""Our networks against those of every source: a file of random weights, converted, computes the same function.

The peers have left their outputs in tests/goldens/parity: PyTorch's by tests/goldens/make_parity.py, TensorFlow's by
make_slim.py, Caffe's and ONNX' by make_caffe.py. Keras runs here.
"""

import functools
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
from inception_jax.models.network import AuxiliaryClassifier
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.checkpoint import network_of
from inception_jax.weights.convert import convert
from tests import seeded
from tests.weights import formats

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


SAME_NAMES = ("torchvision/inception_v3", "timm/inception_v3")
# the format of the file that is converted; most of a source's formats occur
KINDS = {"torchvision": "pytorch", "timm": "safetensors", "facenet-pytorch": "pytorch legacy", "cadene": "pytorch"} | {
    "slim": "tensor_bundle",
    "facenet": "tensor_slices",
    "keras": "keras 2",
    "caffe": "caffe",
    "onnx": "onnx",
}


def assert_parity(
    folder: Path,
    name: str,
    golden: Mapping[str, np.ndarray],
    alter: Callable[[models.Network], models.Network] = lambda network: network,
    rename: Mapping[str, str] | None = None,
) -> None:
    """Compares with the peer; `alter` and `rename`, a network and names of tensors, are for faults."""
    heads = of_kind("head", golden)
    tensors = seeded.tensors(seeded.listed(golden["tensors"]))
    tensors |= {new: tensors[old] for new, old in (rename or {}).items()}
    path = formats.write(folder, KINDS[name.split("/")[0]], tensors)
    variables, meta = convert(path, name if name in SAME_NAMES else "")
    assert (meta.source, meta.num_classes, meta.aux) == (name, golden["logits"].shape[-1], bool(heads))
    network = alter(network_of(meta))
    images = jnp.asarray(seeded.images(*golden["images"]))
    out = jax.jit(network.apply)(variables, images)
    for endpoint, mean in of_kind("mean", golden).items():  # the first to differ tells where to look
        assert_close(endpoint, out.endpoints[endpoint].mean((1, 2)), mean)
    assert_close("logits", out.logits, golden["logits"])
    if "embedding" in golden:
        assert_close("embedding", out.embedding, golden["embedding"])
    for head, expected in zip(network.heads, heads.values(), strict=True):
        classifier = AuxiliaryClassifier(head, network.num_classes, network.style)
        subtree = {collection: tree[head.name] for collection, tree in variables.items() if head.name in tree}
        logits: Any = jax.jit(functools.partial(classifier.apply, train=False))(subtree, out.endpoints[head.after])
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
        "slim/inception_v1",
        "slim/inception_v2",
        pytest.param("slim/inception_v3", marks=pytest.mark.slow),
        pytest.param("slim/inception_v4", marks=pytest.mark.slow),
        pytest.param("slim/inception_resnet_v2", marks=pytest.mark.slow),
        "caffe/googlenet",
        pytest.param("onnx/googlenet", marks=pytest.mark.slow),  # as caffe/googlenet
        pytest.param("onnx/inception_v2", marks=pytest.mark.slow),  # as cadene/bninception but for two widths
        "cadene/bninception",
        pytest.param("facenet/inception_resnet_v1", marks=pytest.mark.slow),  # as facenet-pytorch's
        "facenet-pytorch/inception_resnet_v1",
    ],
)
def test_what_a_source_computes_is_computed_here(name, tmp_path):
    assert_parity(tmp_path, name, golden_of(name))


def test_every_source_has_a_peer():
    peers = {path.stem for path in GOLDENS.glob("*.npz")} | {"keras_inception_v3", "keras_inception_resnet_v2"}
    assert {name.replace("/", "_") for name, entry in CATALOGUE.items() if not entry.by_name} == peers


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
def test_a_small_fault_in_the_network_is_seen(name, alter, tmp_path):
    with pytest.raises(AssertionError, match="is off by"):
        assert_parity(tmp_path, name, golden_of(name), alter)


def test_two_tensors_in_each_others_place_are_seen(tmp_path):
    second, fourth = (f"Mixed_6e.branch7x7dbl_{part}.conv.weight" for part in (2, 4))
    swapped = {second: fourth, fourth: second}
    with pytest.raises(AssertionError, match="mixed_6e is off by"):
        assert_parity(tmp_path, "timm/inception_v3", golden_of("timm/inception_v3"), rename=swapped)


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
def test_keras(network, keras_goldens, tmp_path):
    golden = {
        key.removeprefix(f"{network}:"): value for key, value in keras_goldens.items() if key.startswith(f"{network}:")
    }
    assert_parity(tmp_path, f"keras/{network}", golden)
