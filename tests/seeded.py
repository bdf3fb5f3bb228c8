"""Weights and images that anyone with NumPy makes again from a name: two programs share them without a file."""

import math
import zlib
from collections.abc import Mapping

import numpy as np

# What batch norm and ReLU do to the mean square of activations under the ranges below: E[gamma^2 / var]. Kernels are
# the smaller for it, so that activations keep their size through a hundred layers.
GAIN = (1 + 1 / 12) * math.log(3)


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 tensor of the kind that its name in PyTorch, Keras, TF-slim, Caffe or ONNX tells."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    match name.replace("/", ".").split(".")[-1]:
        case "running_var" | "moving_variance":
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)
        case "running_mean" | "moving_mean":
            return rng.normal(0.0, 0.2, shape).astype(np.float32)
        case "weight" if len(shape) > 1:  # [out, in, ...]
            return _kernel(rng, shape, math.prod(shape[1:]))
        case "depthwise_weights":  # [height, width, channels, multiplier]
            return _kernel(rng, shape, math.prod(shape[:2]))
        case "kernel" | "weights" | "pointwise_weights":  # [..., in, out]
            return _kernel(rng, shape, math.prod(shape[:-1]))
        case "weight":
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)
        case "bias" | "biases" | "beta":
            return rng.normal(0.0, 0.1, shape).astype(np.float32)
        case "0" if len(shape) > 1:  # Caffe's blobs
            return _kernel(rng, shape, math.prod(shape[1:]))
        case "1":
            return rng.normal(0.0, 0.1, shape).astype(np.float32)
        case "bn_scale_0":  # of ONNX graphs; another layer scales
            return np.ones(shape, np.float32)
        case "bn_bias_0":
            return np.zeros(shape, np.float32)
        case "bn_mean_0":
            return rng.normal(0.0, 0.2, shape).astype(np.float32)
        case "bn_var_0" | "sc_w_0":
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)
        case kernel if kernel.endswith("_w_0"):
            return _kernel(rng, shape, math.prod(shape[1:]))
        case bias if bias.endswith("_b_0"):
            return rng.normal(0.0, 0.1, shape).astype(np.float32)
        case "num_batches_tracked":
            return np.zeros(shape, np.int64)
        case other:
            raise ValueError(f"{name}: no values are known for a {other!r}")


def tensors(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """`tensor` for each name."""
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def listing(shapes: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    """One line a tensor, its name and its shape, as an array of one string for a file."""
    return np.array("\n".join(" ".join(map(str, (name, *shape))) for name, shape in shapes.items()))


def listed(lines: np.ndarray) -> dict[str, tuple[int, ...]]:
    """The shapes of a `listing`."""
    rows = [line.split() for line in str(lines).splitlines()]
    return {name: tuple(map(int, shape)) for name, *shape in rows}


def images(batch: int, size: int) -> np.ndarray:
    """Float32 [batch, size, size, 3], uniform in [-1, 1]."""
    rng = np.random.default_rng(zlib.crc32(f"images {batch} {size}".encode()))
    return rng.uniform(-1.0, 1.0, (batch, size, size, 3)).astype(np.float32)


def _kernel(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    values = rng.random(shape, np.float32) - np.float32(0.5)
    return values * np.float32(math.sqrt(12 * 2 / (GAIN * fan_in)))


def pixels(height: int, width: int) -> np.ndarray:
    """Uint8 [height, width, 3]: slow waves, sharp edges and noise, as photographs have them."""
    rng = np.random.default_rng(zlib.crc32(f"pixels {height} {width}".encode()))
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 31 + c) * np.cos(y / 17 - c) + ((x // 23 + y // 29 + c) % 2) for c in range(3)]
    return np.clip(90 * np.stack(waves, -1) + 80 + rng.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)


def sample(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every 13th pixel of an image, and a checksum of all of it."""
    return image[::13, ::13], np.array(zlib.crc32(image.tobytes()))
