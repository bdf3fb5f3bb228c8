"""State dicts for torchvision, timm and Keras: the peers' own names, shapes and values, and what does not fit."""

import os
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from inception_jax import models
from inception_jax.errors import UserError
from inception_jax.weights import pytorch
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.checkpoint import Meta, abstract_of
from inception_jax.weights.export import export
from inception_jax.weights.mapping import NoNameThere, to_tensors, to_variables
from inception_jax.weights.preprocessing import Preprocessing
from inception_jax.weights.writers import ExportError, Model, writer_of
from inception_jax.weights.writers.library import sources_of
from tests import seeded
from tests.weights.random_model import random_model

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "tests/goldens/parity"
PEERS = ROOT / ".venv-peers/bin/python"
PYTORCH = [
    "torchvision/googlenet",
    "torchvision/inception_v3",
    "timm/inception_v3",
    "timm/inception_v4",
    "timm/inception_resnet_v2",
]


@cache
def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    """What the peer itself says that its state dict has."""
    with np.load(GOLDENS / f"{name.replace('/', '_')}.npz") as golden:
        return seeded.listed(golden["tensors"])


def model_of(name: str, tensors: dict[str, np.ndarray]) -> Model:
    """Our network with tensors of the peer, with which `test_parity` finds the peer's logits."""
    source = CATALOGUE[name].source
    aux = any("aux" in tensor.lower() for tensor in tensors)
    network = models.create(source.network, variant=source.variant, aux=aux)
    size = models.architecture(source.network, source.variant).input_size
    variables = to_variables(source, tensors, abstract_of(network, size))
    return Model(network, variables, Meta(source.network, source.variant, 1000, aux, Preprocessing(size)))


def test_a_state_dict_is_the_peers_own_bit_for_bit(tmp_path):
    name = "torchvision/googlenet"
    tensors = seeded.tensors(shapes_of(name))
    model, writer, path = model_of(name, tensors), writer_of("torchvision"), tmp_path / "w.safetensors"
    writer.write(path, writer.fitted(model))
    written = load_file(path)
    assert set(written) == set(tensors)
    for key, value in tensors.items():
        np.testing.assert_array_equal(written[key], value, key, strict=True)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4).filter(lambda shape: len(shape) != 3))
def test_layouts_are_undone(shape):
    ours = np.random.default_rng(0).normal(size=shape)
    for name in ("conv.weight", "aux1.fc1.weight", "last_linear.weight"):
        np.testing.assert_array_equal(pytorch.layout(pytorch.restore(name, ours), ours.shape), ours)


def test_heads_stay_behind_where_the_library_has_none():
    network = models.create("inception_v3", variant="torchvision", num_classes=10)
    held = {"aux": {"logits": {"bias": np.zeros(3)}}, "logits": {"bias": np.zeros(3)}}
    model = Model(network, {"params": held}, Meta("inception_v3", "torchvision", 10, True, Preprocessing(299)))
    assert writer_of("torchvision").fitted(model) is model
    dropped = writer_of("timm").fitted(model)
    assert list(dropped.variables["params"]) == ["logits"]
    assert not dropped.network.heads
    assert not dropped.meta.aux


@pytest.mark.parametrize(
    ("to", "network", "variant", "options", "message"),
    [
        (
            "torchvision",
            "inception_v4",
            "slim",
            {},
            "torchvision has no inception_v4; it has googlenet and inception_v3",
        ),
        ("timm", "googlenet", "slim", {}, "timm has no googlenet; it has inception_v3"),
        ("keras", "googlenet", "slim", {}, "keras has no googlenet; it has inception_v3 and inception_resnet_v2"),
        ("torchvision", "googlenet", "torchvision", {"width": 0.1}, "these weights have width 0.1"),
        (
            "torchvision",
            "googlenet",
            "paper",
            {},
            "torchvision variant at width 1; these weights are of googlenet paper",
        ),
        ("torchvision", "inception_v3", "slim", {}, "inception_v3 slim, which differs at mixed_5b"),
        ("keras", "inception_v3", "torchvision", {}, "slim variant.* differs at mixed_5b"),
        ("keras", "inception_v3", "slim", {"bn_scale": True}, "with bn_scale=True, which differs in batch norm"),
        ("timm", "inception_resnet_v2", "timm", {"scale_35": 0.2}, "with scale_35=0.2, which differs at block35_1"),
    ],
)
def test_what_does_not_fit_is_named(to, network, variant, options, message):
    made = models.create(network, variant=variant, num_classes=10, aux=False, **options)
    meta = Meta(network, variant, 10, False, Preprocessing(299), options)
    with pytest.raises(ExportError, match=message) as caught:
        writer_of(to).fitted(Model(made, {}, meta))
    assert "\n" not in str(caught.value)


def test_heads_and_classes_must_fit_too():
    network = models.create("googlenet", variant="torchvision", num_classes=10)
    other = network.clone(heads=tuple(replace(head, name=head.name.upper()) for head in network.heads))
    meta = Meta("googlenet", "torchvision", 10, True, Preprocessing(224))
    with pytest.raises(ExportError, match="other auxiliary classifiers"):
        writer_of("torchvision").fitted(Model(other, {}, meta))
    with pytest.raises(ExportError, match="without a classifier"):
        writer_of("torchvision").fitted(Model(network.clone(num_classes=0, heads=()), {}, meta))


def test_a_variable_without_a_name_there_is_named():
    variables = {"params": {"logits": {"kernel": np.zeros((2, 3))}, "extra": {"kernel": np.zeros((2, 3))}}}
    with pytest.raises(NoNameThere, match=r"1 variables .*params/extra/kernel"):
        to_tensors(sources_of("torchvision")["googlenet"], variables)


def test_an_input_is_for_computations():
    with pytest.raises(UserError, match="--input is for stablehlo and onnx; keras holds weights"):
        writer_of("keras", "uint8")


def peer_logits(python: Path | str, module: str, *arguments: Any) -> np.ndarray:
    """What a peer's network computes of the exported file, in a process of its own."""
    out = Path(arguments[0]).with_suffix(".npy")
    environment = os.environ | {"KERAS_BACKEND": "jax", "KERAS_HOME": str(out.parent), "JAX_PLATFORMS": "cpu"}
    command = [python, "-m", module, *map(str, arguments), str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(out)


def logits_of(model: Model, size: int) -> np.ndarray:
    out: Any = model.network.apply(model.variables, seeded.images(2, size))
    return np.asarray(out.logits)


@pytest.mark.slow
@pytest.mark.parametrize("name", PYTORCH)
def test_torch_loads_it_strictly_and_gives_our_logits(name, tmp_path):
    if not PEERS.exists():
        pytest.skip("no torch: `make goldens-check` makes its environment")
    library, network = name.split("/")
    model = random_model(network, CATALOGUE[name].source.variant, 299, num_classes=10, aux=library == "torchvision")
    difference = export(model, tmp_path / "w.safetensors", library)
    assert difference.largest == 0
    theirs = peer_logits(PEERS, "tests.goldens.load_export", tmp_path / "w.safetensors")
    ours = logits_of(model, 299)
    assert np.abs(theirs - ours).max() < 1e-4 * np.ptp(ours)


@pytest.mark.slow
# Keras 3.15's own, of its variables under NumPy 2.4
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
@pytest.mark.parametrize(
    ("network", "classes"), [("inception_v3", 10), ("inception_resnet_v2", 10), ("inception_v3", 0)]
)
def test_keras_gives_our_logits(network, classes, suffix, tmp_path):
    model = random_model(network, "slim", 75, num_classes=classes, aux=bool(classes))
    difference = export(model, tmp_path / f"w{suffix}", "keras")  # runs in Keras
    assert difference.relative < 1e-5
    assert (tmp_path / f"w{suffix}.json").exists()
