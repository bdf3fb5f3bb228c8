"""What Caffe's GoogLeNet and the ONNX model zoo's graphs compute from seeded weights, kept in tests/goldens/parity.

python -m tests.goldens.make_caffe            writes the files
python -m tests.goldens.make_caffe --check    computes again and compares with them

Caffe's network is its deploy.prototxt with a caffemodel, run by OpenCV 4, the last that reads them; the graphs are run
by onnxruntime. Both are written here from one list of layers. The networks read blue, green, red. `make goldens-check`
makes the environment; the tests of the project need the files alone.
"""
# pyright: reportMissingImports=false

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tests import seeded
from tests.goldens.compare import check_or_write
from tests.weights import formats

FOLDER = Path(__file__).parent / "parity"
SIZE = 224


@dataclass(frozen=True)
class Layer:
    """A layer as Caffe has it: its name, its kind, what it reads, and its numbers."""

    name: str
    kind: str
    bottoms: tuple[str, ...]
    channels: int = 0
    kernel: int = 1
    stride: int = 1
    pad: int = 0


def googlenet() -> list[Layer]:
    """`bvlc_googlenet`: Going Deeper with Convolutions, table 1, ReLU behind every convolution."""
    layers = [
        Layer("conv1/7x7_s2", "conv", ("data",), 64, 7, 2, 3),
        Layer("pool1/3x3_s2", "max", ("conv1/7x7_s2",), 0, 3, 2),
        Layer("pool1/norm1", "lrn", ("pool1/3x3_s2",)),
        Layer("conv2/3x3_reduce", "conv", ("pool1/norm1",), 64),
        Layer("conv2/3x3", "conv", ("conv2/3x3_reduce",), 192, 3, 1, 1),
        Layer("conv2/norm2", "lrn", ("conv2/3x3",)),
        Layer("pool2/3x3_s2", "max", ("conv2/norm2",), 0, 3, 2),
    ]
    below = "pool2/3x3_s2"
    for name, c1, r3, c3, r5, c5, project in (
        ("3a", 64, 96, 128, 16, 32, 32),
        ("3b", 128, 128, 192, 32, 96, 64),
        ("4a", 192, 96, 208, 16, 48, 64),
        ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64),
        ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128),
        ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ):
        module = f"inception_{name}"
        layers += [
            Layer(f"{module}/1x1", "conv", (below,), c1),
            Layer(f"{module}/3x3_reduce", "conv", (below,), r3),
            Layer(f"{module}/3x3", "conv", (f"{module}/3x3_reduce",), c3, 3, 1, 1),
            Layer(f"{module}/5x5_reduce", "conv", (below,), r5),
            Layer(f"{module}/5x5", "conv", (f"{module}/5x5_reduce",), c5, 5, 1, 2),
            Layer(f"{module}/pool", "max", (below,), 0, 3, 1, 1),
            Layer(f"{module}/pool_proj", "conv", (f"{module}/pool",), project),
            Layer(
                f"{module}/output", "concat", tuple(f"{module}/{part}" for part in ("1x1", "3x3", "5x5", "pool_proj"))
            ),
        ]
        below = f"{module}/output"
        if name in ("3b", "4e"):
            pool = f"pool{name[0]}/3x3_s2"
            layers.append(Layer(pool, "max", (below,), 0, 3, 2))
            below = pool
    return [
        *layers,
        Layer("pool5/7x7_s1", "average", (below,), 0, 7),
        Layer("loss3/classifier", "linear", ("pool5/7x7_s1",), 1000),
    ]


def bn_inception() -> list[Layer]:
    """The zoo's Inception-v2: Batch Normalization, figure 5, its projections of 4c and 4d 96 channels."""
    layers = [
        Layer("conv1/7x7_s2", "conv", ("data",), 64, 7, 2, 3),
        Layer("pool1/3x3_s2", "max", ("conv1/7x7_s2",), 0, 3, 2),
        Layer("conv2/3x3_reduce", "conv", ("pool1/3x3_s2",), 64),
        Layer("conv2/3x3", "conv", ("conv2/3x3_reduce",), 192, 3, 1, 1),
        Layer("pool2/3x3_s2", "max", ("conv2/3x3",), 0, 3, 2),
    ]
    below = "pool2/3x3_s2"
    for name, c1, r3, c3, r33, c33, pool, project in (
        ("3a", 64, 64, 64, 64, 96, "average", 32),
        ("3b", 64, 64, 96, 64, 96, "average", 64),
        ("3c", 0, 128, 160, 64, 96, "max", 0),
        ("4a", 224, 64, 96, 96, 128, "average", 128),
        ("4b", 192, 96, 128, 96, 128, "average", 128),
        ("4c", 160, 128, 160, 128, 160, "average", 96),
        ("4d", 96, 128, 192, 160, 192, "average", 96),
        ("4e", 0, 128, 192, 192, 256, "max", 0),
        ("5a", 352, 192, 320, 160, 224, "average", 128),
        ("5b", 352, 192, 320, 192, 224, "max", 128),
    ):
        module, stride = f"inception_{name}", 1 if c1 else 2
        if c1:
            layers.append(Layer(f"{module}/1x1", "conv", (below,), c1))
        layers += [
            Layer(f"{module}/3x3_reduce", "conv", (below,), r3),
            Layer(f"{module}/3x3", "conv", (f"{module}/3x3_reduce",), c3, 3, stride, 1),
            Layer(f"{module}/double3x3_reduce", "conv", (below,), r33),
            Layer(f"{module}/double3x3a", "conv", (f"{module}/double3x3_reduce",), c33, 3, 1, 1),
            Layer(f"{module}/double3x3b", "conv", (f"{module}/double3x3a",), c33, 3, stride, 1),
            Layer(f"{module}/pool", pool, (below,), 0, 3, stride, 1 if c1 else 0),
        ]
        if project:
            layers.append(Layer(f"{module}/pool_proj", "conv", (f"{module}/pool",), project))
        parts = [*(["1x1"] if c1 else []), "3x3", "double3x3b", "pool_proj" if project else "pool"]
        layers.append(Layer(f"{module}/output", "concat", tuple(f"{module}/{part}" for part in parts)))
        below = f"{module}/output"
    return [
        *layers,
        Layer("pool5/7x7_s1", "average", (below,), 0, 7),
        Layer("loss3/classifier", "linear", ("pool5/7x7_s1",), 1000),
    ]


def channels_of(layers: Sequence[Layer]) -> dict[str, int]:
    """How many channels every layer gives."""
    found = {"data": 3}
    for layer in layers:
        found[layer.name] = layer.channels or sum(found[bottom] for bottom in layer.bottoms)
    return found


def prototxt(layers: Sequence[Layer]) -> str:
    """The network as Caffe's text."""
    text = f'name: "net"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: {SIZE}\ninput_dim: {SIZE}\n'
    for layer in layers:
        window = f"kernel_size: {layer.kernel} stride: {layer.stride} pad: {layer.pad}"
        kind, numbers = {
            "conv": ("Convolution", f"convolution_param {{ num_output: {layer.channels} {window} }}"),
            "max": ("Pooling", f"pooling_param {{ pool: MAX {window} }}"),
            "average": ("Pooling", f"pooling_param {{ pool: AVE {window} }}"),
            "lrn": ("LRN", "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"),
            "concat": ("Concat", ""),
            "linear": ("InnerProduct", f"inner_product_param {{ num_output: {layer.channels} }}"),
        }[layer.kind]
        bottoms = " ".join(f'bottom: "{bottom}"' for bottom in layer.bottoms)
        text += f'layer {{ name: "{layer.name}" type: "{kind}" {bottoms} top: "{layer.name}" {numbers} }}\n'
        if layer.kind == "conv":
            text += f'layer {{ name: "{layer.name}/relu" type: "ReLU" bottom: "{layer.name}" top: "{layer.name}" }}\n'
    return text


def weights_of(layers: Sequence[Layer], kernel: str, bias: str, norm: bool = False) -> dict[str, tuple[int, ...]]:
    """Shapes of what the layers hold; `kernel` and `bias` are the ends of names."""
    channels, shapes = channels_of(layers), {}
    for layer in layers:
        if layer.kind not in ("conv", "linear"):
            continue
        below = channels[layer.bottoms[0]]
        window = (layer.kernel, layer.kernel) if layer.kind == "conv" else ()
        shapes[layer.name + kernel] = (layer.channels, below, *window)
        if layer.kind == "linear" or not norm:
            shapes[layer.name + bias] = (layer.channels,)
        else:
            parts = ("bn_scale_0", "bn_bias_0", "bn_mean_0", "bn_var_0", "bn/sc_w_0", "bn/sc_b_0")
            shapes |= {f"{layer.name}/{part}": (layer.channels,) for part in parts}
    return shapes


def run_caffe(layers: Sequence[Layer], endpoints: Sequence[str]) -> tuple[dict[str, tuple[int, ...]], list[np.ndarray]]:
    """The shapes of its blobs, and the outputs of layers."""
    shapes = weights_of(layers, "/0", "/1")
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("deploy.prototxt", "net.caffemodel")]
        Path(paths[0]).write_text(prototxt(layers))
        Path(paths[1]).write_bytes(formats.caffe(seeded.tensors(shapes)))
        opencv_4: Any = cv2.dnn
        net = opencv_4.readNetFromCaffe(*paths)
    net.enableWinograd(False)
    net.enableFusion(False)
    net.setInput(bgr())
    return shapes, list(net.forward([*endpoints]))


def run_onnx(
    layers: Sequence[Layer], endpoints: Sequence[str], norm: bool
) -> tuple[dict[str, tuple[int, ...]], list[np.ndarray]]:
    """The shapes of its initialisers, and the outputs of nodes."""
    shapes = weights_of(layers, "_w_0", "_b_0", norm)
    tensors = seeded.tensors(shapes)
    nodes: list[Any] = []
    for layer in layers:
        names, name = list(layer.bottoms), layer.name
        window: dict[str, Any] = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
        window["pads"] = [layer.pad] * 4
        match layer.kind:
            case "conv" if norm:
                nodes.append(helper.make_node("Conv", [*names, f"{name}_w_0"], [f"{name}/conv"], **window))
                inputs = [f"{name}/conv", *(f"{name}/bn_{part}_0" for part in ("scale", "bias", "mean", "var"))]
                nodes.append(helper.make_node("BatchNormalization", inputs, [f"{name}/bn"], epsilon=1e-5))
                for part in ("w", "b"):
                    vector = [f"{name}/bn/sc_{part}_0", "last_axes"]
                    nodes.append(helper.make_node("Unsqueeze", vector, [f"{name}/{part}"]))
                nodes.append(helper.make_node("Mul", [f"{name}/bn", f"{name}/w"], [f"{name}/scaled"]))
                nodes.append(helper.make_node("Add", [f"{name}/scaled", f"{name}/b"], [f"{name}/shifted"]))
                nodes.append(helper.make_node("Relu", [f"{name}/shifted"], [name]))
            case "conv":
                held = [f"{name}_w_0", f"{name}_b_0"]
                nodes.append(helper.make_node("Conv", [*names, *held], [f"{name}/conv"], **window))
                nodes.append(helper.make_node("Relu", [f"{name}/conv"], [name]))
            case "max":
                nodes.append(helper.make_node("MaxPool", names, [name], ceil_mode=1, **window))
            case "average":
                nodes.append(helper.make_node("AveragePool", names, [name], count_include_pad=1, **window))
            case "lrn":
                nodes.append(helper.make_node("LRN", names, [name], size=5, alpha=1e-4, beta=0.75, bias=1.0))
            case "concat":
                nodes.append(helper.make_node("Concat", names, [name], axis=1))
            case "linear":
                nodes.append(helper.make_node("Flatten", names, [f"{name}/flat"]))
                held = [f"{name}/flat", f"{name}_w_0", f"{name}_b_0"]
                nodes.append(helper.make_node("Gemm", held, [name], transB=1))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in endpoints],
        [
            *(numpy_helper.from_array(value, name) for name, value in tensors.items()),
            *([numpy_helper.from_array(np.array([1, 2]), "last_axes")] if norm else []),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return shapes, [np.asarray(output) for output in session.run(list(endpoints), {"data": bgr()})]


def bgr() -> np.ndarray:
    """The seeded images as the networks read them, float32 [1, 3, S, S]."""
    return np.ascontiguousarray(seeded.images(1, SIZE)[..., ::-1].transpose(0, 3, 1, 2))


def goldens() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """As those of `make_parity`: `tensors`, `images`, `logits` and `mean/ENDPOINT`."""
    parts = {"pool2": "pool2/3x3_s2", "inception_4a": "inception_4a/output", "inception_5b": "inception_5b/output"}
    names = [*parts.values(), "loss3/classifier"]
    for name, (shapes, outputs) in (
        ("caffe_googlenet", run_caffe(googlenet(), names)),
        ("onnx_googlenet", run_onnx(googlenet(), names, norm=False)),
        ("onnx_inception_v2", run_onnx(bn_inception(), names, norm=True)),
    ):
        *maps, logits = outputs
        found = {"tensors": seeded.listing(shapes), "images": np.array([1, SIZE]), "logits": logits}
        yield name, found | {f"mean/{ours}": values.mean((2, 3)) for ours, values in zip(parts, maps, strict=True)}


def main() -> int:
    """Writes or checks every golden; 1 if one differs."""
    parser = argparse.ArgumentParser(description="Golden outputs of Caffe's networks on seeded weights.")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    return check_or_write(FOLDER, goldens(), check=parser.parse_args().check)


if __name__ == "__main__":
    sys.exit(main())
