"""From a file of any source to our checkpoint: every network by its tensors' names, and one line for each mistake."""

import hashlib
import json
import math
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from inception_jax.cli.main import main
from inception_jax.data import imagenet
from inception_jax.errors import UserError
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.checkpoint import abstract_of, load
from inception_jax.weights.convert import UnknownWeights, _heads, _input_size, _network, convert
from inception_jax.weights.mapping import WeightsMismatch, layers
from tests.weights import formats

# what writes a file of each entry of the catalogue
KINDS = {"torchvision": "pytorch", "timm": "safetensors", "keras": "keras 2", "slim": "tensor_bundle"} | {
    "cadene": "pytorch",
    "caffe": "caffe",
    "facenet": "graph_def",
    "onnx": "onnx",
    "facenet-pytorch": "pytorch legacy",
}
SAME_NAMES = ["torchvision/inception_v3", "timm/inception_v3"]
NAMES = [name for name, entry in CATALOGUE.items() if not entry.by_name]


@cache
def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    entry = CATALOGUE[name]
    abstract: Any = abstract_of(_network(entry, 7, True), _input_size(entry))
    flat: Any = flatten_dict(abstract, sep="/")
    return {place: leaf.shape for place, leaf in flat.items()}


def theirs_of(name: str, classes: int = 7) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Tensor's name there -> place here, shape there: by the table, and by the known layout of each library."""
    source = CATALOGUE[name].source
    shapes = {p: tuple(classes if n == 7 and "logits" in p else n for n in s) for p, s in shapes_of(name).items()}
    kind = name.split("/")[0]
    if kind == "keras":
        shapes = {place: shape for place, shape in shapes.items() if place.split("/")[1] not in _heads(name)}
    convs = sum(place.endswith("norm/mean") for place in shapes)
    hints = [f"{what}_{n}/kernel" for n in range(1, convs + 1) for what in ("conv2d", "batch_normalization")]
    table = source.table(hints, layers(shapes))
    found = {}
    for tensor, place in table.items():
        if place not in shapes:
            continue
        shape = shapes[place]
        if kind in ("slim", "facenet"):
            linear = ("Logits/Logits/weights", "Aux_logits/weights", "AuxLogits/Logits/weights")
            if tensor.endswith("Bottleneck/weights"):
                shape = shape[2:]
                linear += ("Bottleneck/weights",)
            square = len(shape) == 2 and tensor != "Logits/weights" and not tensor.endswith(linear)
            shape = (1, 1, *shape) if square else (*shape[:2], 3, 8) if "depthwise" in tensor else shape
        elif kind != "keras" and len(shape) == 4:
            flat = "fc1" in tensor or "/fc" in tensor or "last_linear" in tensor
            shape = (shape[3], math.prod(shape[:3])) if flat else (shape[3], shape[2], *shape[:2])
        elif kind != "keras":
            shape = shape[::-1]
        found[tensor] = (place, shape)
    return found


def seeded(name: str, classes: int = 7) -> dict[str, np.ndarray]:
    """Small distinct numbers: the first of each tensor tells which it is."""
    return {
        tensor: np.full(shape, number / 4096 + 1, np.float32)
        for number, (tensor, (_, shape)) in enumerate(theirs_of(name, classes).items())
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_source_is_recognised_and_every_tensor_arrives(name, tmp_path):
    tensors = seeded(name)
    path = formats.write(tmp_path, KINDS[name.split("/")[0]], tensors)
    variables, meta = convert(path, name if name in SAME_NAMES else "")
    assert (meta.source, meta.num_classes, meta.class_names) == (name, 7, ())
    assert meta.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    flat: Any = flatten_dict(variables, sep="/")
    places = {place: tensor for tensor, (place, _) in theirs_of(name).items()}
    assert set(flat) == set(places)
    for place, leaf in flat.items():
        assert leaf.flat[0] == tensors[places[place]].flat[0], place


@pytest.mark.parametrize("name", ["slim/inception_v3", "torchvision/googlenet", "keras/inception_resnet_v2"])
def test_weights_without_heads_or_top_are_recognised(name, tmp_path):
    dropped = {*_heads(name), "logits"}
    places = theirs_of(name)
    tensors = {tensor: v for tensor, v in seeded(name).items() if places[tensor][0].split("/")[1] not in dropped}
    variables, meta = convert(formats.write(tmp_path, KINDS[name.split("/")[0]], tensors))
    assert (meta.source, meta.num_classes, meta.aux) == (name, 0, False)
    assert "logits" not in variables["params"]


def test_the_background_goes_when_asked(tmp_path):
    tensors = seeded("slim/inception_v1", 1001)
    bias = next(
        tensor for tensor, (place, _) in theirs_of("slim/inception_v1").items() if place == "params/logits/bias"
    )
    tensors[bias] = np.arange(1001, dtype=np.float32)
    path = formats.write(tmp_path, "tensor_slices", tensors)
    variables, meta = convert(path)
    assert (meta.num_classes, meta.class_offset, meta.class_names[:2]) == (1001, 1, ("background", "tench"))
    variables, meta = convert(path, num_classes=1000)
    assert (meta.num_classes, meta.class_offset, meta.class_names[0]) == (1000, 0, "tench")
    np.testing.assert_array_equal(variables["params"]["logits"]["bias"], np.arange(1, 1001))
    assert variables["params"]["logits"]["kernel"].shape == (1024, 1000)
    assert convert(path, num_classes=0)[1].num_classes == 0
    with pytest.raises(UnknownWeights, match="--num-classes can be 0, 1000 or 1001, not 10"):
        convert(path, num_classes=10)


def test_the_first_kernel_of_caffe_reads_rgb(tmp_path):
    tensors = seeded("caffe/googlenet")
    tensors["conv1/7x7_s2/0"][:, 0] = 5  # blue
    variables, _ = convert(formats.write(tmp_path, "caffe old", tensors))
    assert (variables["params"]["conv1"]["kernel"][:, :, 2] == 5).all()


def test_a_batch_norm_that_scales_twice_is_refused(tmp_path):
    tensors = seeded("onnx/inception_v2") | {"conv1/7x7_s2/bn_scale_0": np.ones(64, np.float32)}
    path = formats.write(tmp_path, "onnx", tensors)
    assert convert(path)[1].source == "onnx/inception_v2"
    formats.write(tmp_path, "onnx", tensors | {"conv1/7x7_s2/bn_scale_0": np.full(64, 2, np.float32)})
    with pytest.raises(UserError, match="bn_scale_0 should be 1"):
        convert(path)


def test_weights_of_the_wrong_name_are_refused(tmp_path):
    path = formats.write(tmp_path, "pytorch", seeded("torchvision/inception_v3"))
    assert convert(path, "timm/inception_v3.gluon_in1k")[1].preprocessing.mean[0] == 123.675
    with pytest.raises(WeightsMismatch, match="torchvision variant of googlenet"):
        convert(path, "torchvision/googlenet")
    with pytest.raises(UnknownWeights, match="no source is called 'googlenet'"):
        convert(path, "googlenet")
    with pytest.raises(UnknownWeights, match="slim/inception_v1 comes as TensorFlow checkpoint"):
        convert(path, "slim/inception_v1")


@pytest.mark.parametrize("kind", ["pytorch", "safetensors"])
def test_of_files_whose_tensors_are_called_alike_each_must_be_named(kind, tmp_path, capsys):
    path = formats.write(tmp_path, kind, seeded("torchvision/inception_v3"))
    assert main(["convert", str(path), str(tmp_path / "o.safetensors")]) == 2
    error = capsys.readouterr().err
    assert "say which it is by --as with one of torchvision/inception_v3, timm/inception_v3, " in error
    assert all(name in error for name in CATALOGUE if "/inception_v3." in name)
    assert error.count("\n") == 1
    assert not (tmp_path / "o.safetensors").exists()


def test_a_public_file_is_known_by_the_start_of_its_hash(tmp_path, monkeypatch):
    path = formats.write(tmp_path, "pytorch", seeded("torchvision/inception_v3"))
    monkeypatch.setattr("inception_jax.weights.convert.sha256_of", lambda path: "0cc3c7bd" + "0" * 56)
    assert convert(path)[1].source == "torchvision/inception_v3"


def test_what_was_tried_is_told(tmp_path):
    tensors = seeded("torchvision/inception_v3")
    tensors["surplus"] = tensors.pop("Mixed_5b.branch1x1.conv.weight")
    path = formats.write(tmp_path, "pytorch", tensors)
    with pytest.raises(UnknownWeights, match=r"Tried: torchvision/inception_v3 has \d+ of its \d+ .* and 1 without"):
        convert(path)


def test_the_command_writes_a_checkpoint_and_says_what_it_is(tmp_path, capsys):
    path, out = formats.write(tmp_path, "tensor_bundle", seeded("slim/inception_v1", 1001)), tmp_path / "o.safetensors"
    assert main(["convert", str(path), str(out), "--num-classes", "1000"]) == 0
    assert "googlenet slim from slim/inception_v1, 1000 classes, without auxiliary" in capsys.readouterr().out
    network, variables, meta = load(out)
    assert network.num_classes == 1000
    assert meta.accuracy == (69.8, 89.6)
    assert json.loads(out.with_suffix(".json").read_text())["class_names"][-1] == imagenet.classes()[-1].name
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 6_617_624  # architectures.md, section 0

    assert main(["convert", str(path), str(out)]) == 2
    assert "is there already and is not overwritten" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "none"), str(tmp_path / "p.safetensors")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("inception-jax convert: ")
    assert error.count("\n") == 1


def test_nan_is_not_written(tmp_path, capsys):
    tensors = seeded("slim/inception_v1")
    next(iter(tensors.values())).flat[3] = np.nan
    path = formats.write(tmp_path, "tensor_bundle", tensors)
    assert main(["convert", str(path), str(tmp_path / "o.safetensors")]) == 2
    assert "NaN" in capsys.readouterr().err
    assert not (tmp_path / "o.safetensors").exists()
