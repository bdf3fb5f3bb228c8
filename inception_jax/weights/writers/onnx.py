"""ONNX: the rows of a network as the operators that every runtime knows, under our layers' names.

Converters of traced JAX programs see a pool as slices and a 1x1 as a product over flattened pixels; from the table
each row becomes the one operator that it is. Maps are [batch, channels, height, width], the number of images is free.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import numpy as np

from inception_jax.models.geometry import map_side
from inception_jax.models.network import Network
from inception_jax.models.table import (
    Conv,
    Inception,
    LocalResponseNorm,
    Operation,
    Padding,
    Pool,
    Residual,
    Split,
)
from inception_jax.weights.writers.model import ExportError, Model, main_output, normalised
from inception_jax.weights.writers.stablehlo import signature

try:
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper
except ImportError as error:
    raise ExportError(
        "--to onnx needs onnx and onnxruntime, which come with the extra [onnx] of this package"
    ) from error

OPSET = 17
IR_VERSION = 8  # that of the opset's time: newer ones are refused by older runtimes
_ACTIVATIONS: dict[Callable[..., Any], str] = {nn.relu: "Relu", nn.sigmoid: "Sigmoid"}


class OnnxWriter:
    """Writes one file with graph and weights.

    Args:
      input: `uint8`, pixels as they are, or `float32`, pixels minus `mean` over `std`; [batch, size, size, 3].
    """

    suffixes = (".onnx",)
    folds = True

    def __init__(self, input: str = "uint8") -> None:
        self.input = input

    def fitted(self, model: Model) -> Model:
        """Every model fits; its auxiliary classifiers are for training and are not computed."""
        return model

    def write(self, path: Path, model: Model) -> None:
        """Writes `path`, after ONNX' own check of it."""
        proto = self._model(model)
        onnx.checker.check_model(proto, full_check=True)
        path.write_bytes(proto.SerializeToString())

    def run(self, path: Path, model: Model, images: np.ndarray) -> np.ndarray:
        """Runs the file with ONNX Runtime."""
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        batch = images if self.input == "uint8" else np.asarray(normalised(images, model.meta.preprocessing))
        (found,) = session.run([main_output(model)], {"images": batch})
        return np.asarray(found)

    def about(self, model: Model) -> dict[str, Any]:
        """Input and outputs."""
        return {"opset": OPSET, **signature(model, self.input)}

    def _model(self, model: Model) -> onnx.ModelProto:
        graph = _Graph(model.network, model.variables)
        declared = signature(model, self.input)
        size, preprocessing = model.meta.preprocessing.size, model.meta.preprocessing
        x = "images"
        if self.input == "uint8":
            x = graph.add("Cast", [x], "input/pixels", to=onnx.TensorProto.FLOAT)
            x = graph.add("Sub", [x, graph.constant("input/mean", preprocessing.mean)], "input/centred")
            x = graph.add("Div", [x, graph.constant("input/std", preprocessing.std)], "input/normalised")
        x = graph.add("Transpose", [x], "input/channels_first", perm=(0, 3, 1, 2))
        graph.network(x, size)
        kinds = {"uint8": onnx.TensorProto.UINT8, "float32": onnx.TensorProto.FLOAT}
        images = helper.make_tensor_value_info("images", kinds[self.input], declared["input"]["shape"])
        outputs = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, out["shape"])
            for name, out in declared["outputs"].items()
        ]
        proto = helper.make_model(
            helper.make_graph(graph.nodes, model.meta.network, [images], outputs, graph.tensors),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="inception_jax",
        )
        described = dataclasses.asdict(model.meta)
        helper.set_model_props(proto, {name: json.dumps(value) for name, value in described.items()})
        return proto


class _Graph:
    """Nodes and weights of a network; every method takes and gives names of values."""

    def __init__(self, network: Network, variables: dict[str, Any]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self._network, self._style, self._variables = network, network.style, variables

    def network(self, x: str, side: int) -> None:
        """All rows on maps of `side` x `side`, then the outputs, which are called as such."""
        for name, operation in self._network.rows:
            x, side = self.operation(operation, name, x, side), map_side(operation, side)
        x = self.add("GlobalAveragePool", [x], "output/average")
        features = self.add("Flatten", [x], "features")
        if self._network.embedding:
            linear = Conv(self._network.embedding)
            x = self.add("Flatten", [self._conv(linear, "bottleneck", x, 1, activate=False)], "bottleneck/flat")
            features = x
            self.add("LpNormalization", [x], "embedding", axis=1, p=2)
        if self._network.num_classes:
            held = self._variables["params"]["logits"]
            weights = [self.constant(f"logits/{name}", held[name]) for name in ("kernel", "bias")]
            self.add("Softmax", [self.add("Gemm", [features, *weights], "logits")], "probabilities", axis=1)

    def operation(self, operation: Operation, name: str, x: str, side: int) -> str:
        """One row, or one operation of a branch, on a map of `side` x `side`."""
        match operation:
            case Conv():
                return self._conv(operation, name, x, side)
            case Pool():
                return self._pool(operation, name, x, side)
            case LocalResponseNorm():
                return self.add(
                    "LRN", [x], name, size=operation.window, alpha=operation.alpha, beta=0.75, bias=operation.k
                )
            case Inception():
                return self._branches(operation, name, x, side)
            case Residual():
                joined = self._branches(operation, f"{name}/branches", x, side)
                up = self._conv(Conv(0, linear=True), f"{name}/up", joined, side)
                scaled = self.add("Mul", [up, self.constant(f"{name}/scale", operation.scale)], f"{name}/scaled")
                total = self.add("Add", [x, scaled], f"{name}/sum" if operation.activate else name)
                return self._activation(total, name) if operation.activate else total
        raise ExportError(f"{name}: ONNX has no {type(operation).__name__} here")

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """A node, which is called as its one output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        """A tensor of the file, float32."""
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def _branches(self, module: Inception | Residual, name: str, x: str, side: int) -> str:
        layer = name.removesuffix("/branches")
        outputs = []
        for number, branch in enumerate(module.branches):
            y, at, index = x, side, 0
            for position, operation in enumerate(branch):
                prefix = f"{layer}/branch{number}_"
                match operation:
                    case Conv():
                        y = self._conv(operation, f"{prefix}conv{index}_{operation.label}", y, at)
                    case Split():
                        parts = [
                            self._conv(part, f"{prefix}conv{index}{letter}_{part.label}", y, at)
                            for letter, part in zip("abcdefgh", operation.convs, strict=False)
                        ]
                        y = self.add("Concat", parts, f"{prefix}conv{index}", axis=1)
                    case _:
                        y = self.operation(operation, f"{prefix}{position}", y, at)
                index += isinstance(operation, Conv | Split)
                at = at if isinstance(operation, Split | LocalResponseNorm) else map_side(operation, at)
            outputs.append(y)
        return self.add("Concat", outputs, name, axis=1)

    def _conv(self, op: Conv, path: str, x: str, side: int, *, activate: bool = True) -> str:
        params, stats = self._held("params", path), self._held("batch_stats", path)
        last = path if op.linear or not activate else f"{path}/linear"
        kernel = _oihw(params["kernel"])
        window: dict[str, Any] = {
            "pads": _pads(side, op.kernel, op.stride, op.padding),
            "strides": (op.stride,) * 2,
        }
        if "depthwise" in params:  # the filters on each channel have the window, the 1x1 behind them none
            filters = _oihw(params["depthwise"])
            weights = [x, self.constant(f"{path}/depthwise", filters)]
            group = len(filters) // op.multiplier
            x = self.add("Conv", weights, f"{path}/each", group=group, kernel_shape=op.kernel, **window)
            window = {}
        inputs = [x, self.constant(f"{path}/kernel", kernel)]
        if "bias" in params:
            inputs.append(self.constant(f"{path}/bias", params["bias"]))
        y = self.add(
            "Conv", inputs, f"{path}/conv" if "norm" in params else last, kernel_shape=kernel.shape[2:], **window
        )
        if "norm" in params:
            assert self._style.norm
            shift = params["norm"]["bias"]
            norm = {
                "scale": params["norm"].get("scale", np.ones_like(shift)),
                "bias": shift,
                "mean": stats["norm"]["mean"],
                "var": stats["norm"]["var"],
            }
            values = [self.constant(f"{path}/norm/{name}", value) for name, value in norm.items()]
            y = self.add("BatchNormalization", [y, *values], last, epsilon=self._style.norm.epsilon)
        return y if op.linear or not activate else self._activation(y, path)

    def _pool(self, op: Pool, name: str, x: str, side: int) -> str:
        window = {
            "kernel_shape": (op.window,) * 2,
            "strides": (op.stride,) * 2,
            "pads": _pads(side, (op.window, op.window), op.stride, op.padding),
        }
        if op.kind == "max":
            return self.add("MaxPool", [x], name, **window)
        return self.add("AveragePool", [x], name, count_include_pad=int(op.count_padding), **window)

    def _activation(self, x: str, name: str) -> str:
        return self.add(_ACTIVATIONS[self._style.activation], [x], name)

    def _held(self, collection: str, path: str) -> dict[str, Any]:
        found = self._variables.get(collection, {})
        for part in path.split("/"):
            found = found.get(part, {})
        return found


def _oihw(kernel: np.ndarray) -> np.ndarray:
    return np.asarray(kernel).transpose(3, 2, 0, 1)


def _pads(side: int, window: tuple[int, int], stride: int, padding: Padding) -> list[int]:
    """Pixels before the top and left, then behind the bottom and right, as ONNX lists them."""
    edges = []
    for length in window:
        if isinstance(padding, int):
            edges.append((padding, padding))
            continue
        positions = map_side(Pool("max", length, stride, padding), side)
        missing = max((positions - 1) * stride + length - side, 0)
        edges.append({"SAME": (missing // 2, missing - missing // 2), "CEIL": (0, missing), "VALID": (0, 0)}[padding])
    return [before for before, _ in edges] + [behind for _, behind in edges]
