"""Files for other programs: they compute what the network does, on any number of images, or are not there."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export as jax_export

from inception_jax import models
from inception_jax.errors import UserError
from inception_jax.models.catalogue import pairs
from inception_jax.models.layers import BatchNormSpec, Style
from inception_jax.models.table import (
    LocalResponseNorm,
    avg_pool,
    conv,
    inception,
    max_pool,
    residual,
    split,
)
from inception_jax.new_file import OutputFileError
from inception_jax.weights.checkpoint import Meta, load
from inception_jax.weights.export import ExportError, export, writer_for
from inception_jax.weights.folding import NothingToFold, fold
from inception_jax.weights.preprocessing import Preprocessing
from inception_jax.weights.writers import Model
from inception_jax.weights.writers.checkpoint import CheckpointWriter
from inception_jax.weights.writers.onnx import OnnxWriter
from tests.weights.random_model import random_model, random_variables


@pytest.fixture(scope="module")
def model() -> Model:
    """Batch norm with gammas, ceil pools, auxiliary heads, and a mean and deviation of its own for each colour."""
    return random_model("googlenet", "torchvision", 45, width=0.1, aux=True)


def every_operation(side: int, *, biased: bool = False, num_classes: int = 10, embedding: int = 8) -> Model:
    """A few rows with each operation and edge rule of `models.table`; sigmoids if biased."""
    rows = (
        ("stem", conv(16, 7, 2, multiplier=2)),
        ("norm", LocalResponseNorm(5, 0.1)),
        ("ceil", max_pool(3, 2, "CEIL")),
        (
            "mixed",
            inception(
                [conv(8), split(conv(8, (1, 3)), conv(8, (3, 1)))],
                [avg_pool(3, count_padding=True), conv(8)],
                [avg_pool(3), conv(16)],
                [max_pool(3)],
            ),
        ),
        ("block", residual([conv(8)], [conv(8), conv(16, (1, 7))], scale=0.17)),
        ("linear", residual([conv(8, 3)], scale=1.0, activate=False)),
        ("plain", conv(16, 3, norm=False, padding=1)),
        ("average", avg_pool(3, 2, "CEIL", count_padding=True)),
        ("last", conv(24, 2, padding="VALID")),
    )
    style = Style(BatchNormSpec(scale=biased), biased=biased, activation=nn.sigmoid if biased else nn.relu)
    network = models.Network(rows, (), num_classes, 0.0, style, embedding=embedding)
    variables = random_variables(network, side)
    meta = Meta("every_operation", "", num_classes, False, Preprocessing(side))
    return Model(network, variables, meta)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (3, 45, 45, 3), np.uint8)


def expected(model: Model, images: np.ndarray) -> np.ndarray:
    """The logits, without the code that exports."""
    pixels = model.meta.preprocessing
    batch = (images - np.array(pixels.mean, np.float32)) / np.array(pixels.std, np.float32)
    out: Any = jax.jit(model.network.apply)(model.variables, batch)
    return np.asarray(out.logits)


@pytest.fixture(scope="module")
def logits(model, images) -> np.ndarray:
    return expected(model, images)


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)


# folding


def test_heads_are_folded_too(model, images):
    variables = fold(model.network, model.variables)[1]
    assert set(variables["params"]["aux1"]["conv"]) == {"kernel", "bias"}
    scale = 1 / np.sqrt(1 + model.network.style.norm.epsilon)
    ones = jax.tree.map(lambda leaf: np.zeros_like(leaf), model.variables)
    ones["batch_stats"]["aux1"]["conv"]["norm"]["var"][:] = 1
    ones["params"]["aux1"]["conv"]["norm"]["scale"][:] = 3
    ones["params"]["aux1"]["conv"]["norm"]["bias"][:] = 5
    ones["params"]["aux1"]["conv"]["kernel"][:] = 2
    ones["batch_stats"]["aux1"]["conv"]["norm"]["mean"][:] = 7
    made = fold(model.network, ones)[1]["params"]["aux1"]["conv"]
    np.testing.assert_allclose(made["kernel"], 2 * 3 * scale, rtol=1e-6)
    np.testing.assert_allclose(made["bias"], 5 - 7 * 3 * scale, rtol=1e-6)


def test_a_network_without_batch_norm_has_nothing_to_fold(tmp_path):
    model = random_model("googlenet", "paper", width=0.1)
    with pytest.raises(NothingToFold, match="leave out --fold-bn"):
        export(model, tmp_path / "m.onnx", "onnx", fold_bn=True)
    assert not list(tmp_path.iterdir())


# safetensors


@pytest.mark.parametrize("fold_bn", [False, True])
def test_a_checkpoint_is_read_again_with_its_heads(model, images, logits, fold_bn, tmp_path):
    difference = export(model, tmp_path / "m.safetensors", "safetensors", fold_bn=fold_bn)
    assert difference.largest == 0 or fold_bn
    network, variables, meta = load(tmp_path / "m.safetensors")
    assert meta == replace(model.meta, folded=fold_bn)
    assert ("batch_stats" in variables) != fold_bn
    assert len(network.heads) == 2
    assert_close(expected(Model(network, variables, meta), images), logits)


# StableHLO

FRESH = """
import sys
import jax, jax.export, numpy
assert not any(name.split(".")[0] in ("inception_jax", "flax") for name in sys.modules)
exported = jax.export.deserialize(open(sys.argv[1], "rb").read())
images = numpy.load(sys.argv[2])
found = {f"{n}_{name}": value for n in (1, 3) for name, value in exported.call(images[:n]).items()}
numpy.savez(sys.argv[3], **found)
"""


def test_an_artefact_runs_in_a_process_that_has_jax_alone(model, images, logits, tmp_path):
    difference = export(model, tmp_path / "m.stablehlo", "stablehlo")
    assert difference.relative < 1e-6
    np.save(tmp_path / "images.npy", images)
    files = [str(tmp_path / name) for name in ("m.stablehlo", "images.npy", "out.npz")]
    command = [sys.executable, "-I", "-c", FRESH, *files]  # -I: no folder of this project is on the path
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as found:
        assert_close(found["3_logits"], logits)
        assert_close(found["1_logits"], logits[:1])
        np.testing.assert_allclose(found["3_probabilities"].sum(1), 1, rtol=1e-5)
        assert found["3_features"].shape[0] == 3


def test_the_sidecar_says_how_to_use_the_artefact(model, tmp_path):
    export(model, tmp_path / "m.stablehlo", "stablehlo", input="float32", fold_bn=True)
    about = json.loads((tmp_path / "m.stablehlo.json").read_text())
    exported = jax_export.deserialize(bytearray((tmp_path / "m.stablehlo").read_bytes()))
    assert about["platforms"] == list(exported.platforms) == ["cpu", "tpu", "cuda"]
    assert [str(n) for n in exported.in_avals[0].shape] == [str(n) for n in about["input"]["shape"]]
    assert about["input"]["dtype"] == str(exported.in_avals[0].dtype) == "float32"
    assert about["input"]["meaning"] == "RGB, (pixels - preprocessing.mean) / preprocessing.std"
    assert about["preprocessing"]["mean"] == [120, 115, 100]
    assert about["outputs"]["logits"]["shape"] == ["batch", 10]
    assert about["class_names"][3] == "class 3"
    assert about["folded"]
    assert about["verified"]["relative"] < 1e-5


# ONNX


def run_onnx(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [out.name for out in session.get_outputs()]
    return {name: np.asarray(out) for name, out in zip(names, session.run(names, {"images": images}), strict=True)}


@pytest.mark.parametrize("fold_bn", [False, True])
def test_onnx_runs_on_any_number_of_images(model, images, logits, fold_bn, tmp_path):
    export(model, tmp_path / "m.onnx", "onnx", fold_bn=fold_bn)
    found = run_onnx(tmp_path / "m.onnx", images)
    assert_close(found["logits"], logits)
    assert_close(run_onnx(tmp_path / "m.onnx", images[:1])["logits"], logits[:1])
    assert set(found) == {"features", "logits", "probabilities"}
    np.testing.assert_allclose(found["probabilities"], jax.nn.softmax(logits), atol=1e-5)
    proto = onnx.load(tmp_path / "m.onnx")
    kinds = [node.op_type for node in proto.graph.node]
    assert kinds.count("Conv") == 57  # table 1
    assert kinds.count("BatchNormalization") == (0 if fold_bn else 57)
    assert "inception_4e/branch1_conv1_3x3/kernel" in {tensor.name for tensor in proto.graph.initializer}
    about = {prop.key: json.loads(prop.value) for prop in proto.metadata_props}
    assert about["class_names"] == list(model.meta.class_names)


def test_onnx_takes_normalised_images_if_asked(model, images, logits, tmp_path):
    export(model, tmp_path / "m.onnx", "onnx", input="float32")
    pixels = model.meta.preprocessing
    batch = (images - np.array(pixels.mean)) / np.array(pixels.std)
    assert_close(run_onnx(tmp_path / "m.onnx", batch.astype(np.float32))["logits"], logits)


@pytest.mark.parametrize(("side", "biased"), [(23, False), (24, True)])
def test_every_operation_of_a_table_is_the_same_in_onnx(side, biased, tmp_path):
    model = every_operation(side, biased=biased)
    assert export(model, tmp_path / "m.onnx", "onnx").relative < 1e-5
    assert export(model, tmp_path / "f.onnx", "onnx", fold_bn=True).relative < 1e-5
    images = np.random.default_rng(7).integers(0, 256, (2, side, side, 3), np.uint8)
    found = run_onnx(tmp_path / "m.onnx", images)["embedding"]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    out: Any = jax.jit(model.network.apply)(model.variables, images.astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(found, out.embedding, atol=1e-5)


def test_a_network_without_classes_gives_features(tmp_path):
    model = every_operation(23, num_classes=0, embedding=0)
    for name in ("onnx", "stablehlo"):
        assert export(model, tmp_path / f"m.{name}", name).range > 0
        assert list(json.loads((tmp_path / f"m.{name}.json").read_text())["outputs"]) == ["features"]


@pytest.mark.slow
@pytest.mark.parametrize(("network", "variant"), pairs())
def test_every_network_is_the_same_in_onnx(network, variant, tmp_path):
    smallest = models.smallest_input(models.architecture(network, variant).rows)
    model = random_model(network, variant, max(smallest + 4, 45), width=0.1)
    assert export(model, tmp_path / "m.onnx", "onnx").relative < 1e-5
    if model.network.style.norm:
        assert export(model, tmp_path / "f.onnx", "onnx", fold_bn=True).relative < 1e-5


# what goes wrong


@pytest.mark.parametrize(
    ("format", "writer"),
    [("safetensors", CheckpointWriter), ("onnx", OnnxWriter)],
)
@pytest.mark.parametrize("value", [1.001, np.nan], ids=["a little off", "NaN"])
def test_a_file_that_computes_something_else_is_not_left(format, writer, value, model, tmp_path, monkeypatch):
    right = writer.run
    monkeypatch.setattr(writer, "run", lambda *arguments: right(*arguments) * value)
    with pytest.raises(
        ExportError, match=r"differ by .* of their range, which is more than 0\.0001; nothing is written"
    ):
        export(model, tmp_path / f"m.{format}", format)
    assert not list(tmp_path.iterdir())


def test_a_weight_that_is_lost_is_noticed(model, tmp_path, monkeypatch):
    right = OnnxWriter.write

    def spoilt(self: OnnxWriter, path: Path, model: Model) -> None:
        variables = jax.tree.map(np.copy, model.variables)
        variables["params"]["inception_4e"]["branch3_conv0_1x1"]["norm"]["bias"] += 0.1
        right(self, path, replace(model, variables=variables))

    monkeypatch.setattr(OnnxWriter, "write", spoilt)
    with pytest.raises(ExportError, match="nothing is written"):
        export(model, tmp_path / "m.onnx", "onnx")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(model, tmp_path):
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(OutputFileError, match=r"m\.onnx is there already"):
        export(model, tmp_path / "m.onnx", "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert (tmp_path / "m.onnx").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("m.pth", "torchvision", r"must end in \.safetensors"),
        ("m.h5", "keras", r"must end in \.weights\.h5 or \.keras"),
        ("m", "onnx", r"must end in \.onnx"),
        ("none/m.onnx", "onnx", "No such file"),
    ],
)
def test_a_name_that_cannot_be_is_refused(model, name, format, message, tmp_path):
    with pytest.raises(OutputFileError, match=message):
        export(model, tmp_path / name, format)


def test_what_has_batch_norm_elsewhere_is_not_folded(model, tmp_path):
    for name, format in (("m.safetensors", "torchvision"), ("m.safetensors", "timm"), ("m.keras", "keras")):
        with pytest.raises(ExportError, match=f"{format}'s network has batch norm"):
            export(model, tmp_path / name, format, fold_bn=True)


@pytest.mark.parametrize(("format", "module"), [("onnx", "onnxruntime"), ("onnx", "onnx"), ("keras", "keras")])
def test_a_package_that_is_missing_is_named(format, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "inception_jax.weights.writers.onnx")
    path = tmp_path / ("m.onnx" if format == "onnx" else "m.keras")
    with pytest.raises(UserError, match=rf"needs .*extra \[{format}\]"):
        writer_for(path, format)
