"""TF-slim's names: `inception_v1` to `v4` and `inception_resnet_v2`, auxiliary classifiers included.

slim counts a network's convolutions by letters, with slips that its checkpoints keep: a second `0a` in v1's
Mixed_5b, `Conv_1_0c_5x5` and `0b` for `0a` in v3's Mixed_5c, `1x1` for 3x3 in its Mixed_6a, `0b` twice in its Mixed_7b.
slim's `inception_v2` is BN-Inception, and names its modules one ahead from 3c on: its Mixed_4a is 3c here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from inception_jax.weights.mapping import Layers, Source, expand

TENSORS = {
    "kernel": "weights",
    "bias": "biases",
    "depthwise": "depthwise_weights",
    "norm/bias": "BatchNorm/beta",
    "norm/mean": "BatchNorm/moving_mean",
    "norm/var": "BatchNorm/moving_variance",
}


def slim_source(network: str, scope: str, rows: Mapping[str, str]) -> Source:
    """A source of TF-slim's own, whose variables lie under `scope`; `rows` are scopes of its layers -> layers here."""
    return scopes_source(network, "slim", {f"{scope}/{theirs}": ours for theirs, ours in rows.items()})


def scopes_source(network: str, variant: str, rows: Mapping[str, str]) -> Source:
    """A source whose layers are TF-slim's; `rows` are their scopes -> layers here."""
    scopes = expand(rows)

    def table(_: Collection[str], layers: Layers) -> dict[str, str]:
        found = {}
        for theirs, ours in scopes.items():
            held = layers.get(ours, {})
            tensors = TENSORS | {"kernel": "pointwise_weights"} if "depthwise" in held else TENSORS
            found |= {f"{theirs}/{tensors[what]}": path for what, path in held.items() if what in tensors}
        return found

    return Source(network, variant, table, layout, ignored=("global_step", "beta1_power", "beta2_power"))


def layout(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Kernels are HWIO, as ours. A 1x1 kernel may be our matrix [in, out], and a matrix our 1x1 kernel.

    Filters on each channel are [H, W, in, multiplier] there and [H, W, 1, in * multiplier] here.
    """
    matrix = array.ndim == 4 and len(shape) == 2 and array.shape[:2] == (1, 1)
    unit = array.ndim == 2 and len(shape) == 4 and shape == (1, 1, *array.shape)
    depthwise = array.ndim == 4 and len(shape) == 4 and array.shape[:2] == shape[:2] and shape[2] == 1
    return array.reshape(shape) if (matrix or unit or depthwise) and array.size == math.prod(shape) else array


INCEPTION_V1 = slim_source(
    "googlenet",
    "InceptionV1",
    {
        "Conv2d_1a_7x7": "conv1",
        "Conv2d_2b_1x1": "conv2_reduce",
        "Conv2d_2c_3x3": "conv2",
        "Mixed_{3b,3c,4b,4c,4d,4e,4f,5b,5c}/Branch_0/Conv2d_0a_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch0_conv0_1x1"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,4f,5b,5c}/Branch_1/Conv2d_0a_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch1_conv0_1x1"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,4f,5b,5c}/Branch_1/Conv2d_0b_3x3": (
            "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch1_conv1_3x3"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,4f,5b,5c}/Branch_2/Conv2d_0a_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch2_conv0_1x1"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,4f,5c}/Branch_2/Conv2d_0b_3x3": (
            "inception_{3a,3b,4a,4b,4c,4d,4e,5b}/branch2_conv1_3x3"
        ),
        "Mixed_5b/Branch_2/Conv2d_0a_3x3": "inception_5a/branch2_conv1_3x3",
        "Mixed_{3b,3c,4b,4c,4d,4e,4f,5b,5c}/Branch_3/Conv2d_0b_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch3_conv0_1x1"
        ),
        "Logits/Conv2d_0c_1x1": "logits",
    },
)

INCEPTION_V2 = slim_source(
    "bn_inception",
    "InceptionV2",
    {
        "Conv2d_1a_7x7": "conv1",
        "Conv2d_2b_1x1": "conv2_reduce",
        "Conv2d_2c_3x3": "conv2",
        "Mixed_{3b,3c,4b,4c,4d,4e,5b,5c}/Branch_0/Conv2d_0a_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch0_conv0_1x1"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,5b,5c}/Branch_1/Conv2d_0a_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch1_conv0_1x1"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,5b,5c}/Branch_1/Conv2d_0b_3x3": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch1_conv1_3x3"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,5b,5c}/Branch_2/Conv2d_0a_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv0_1x1"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,5b,5c}/Branch_2/Conv2d_0b_3x3": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv1_3x3"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,5b,5c}/Branch_2/Conv2d_0c_3x3": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv2_3x3"
        ),
        "Mixed_{3b,3c,4b,4c,4d,4e,5b,5c}/Branch_3/Conv2d_0b_1x1": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch3_conv0_1x1"
        ),
        "Mixed_{4a,5a}/Branch_0/Conv2d_0a_1x1": "inception_{3c,4e}/branch0_conv0_1x1",
        "Mixed_{4a,5a}/Branch_0/Conv2d_1a_3x3": "inception_{3c,4e}/branch0_conv1_3x3",
        "Mixed_{4a,5a}/Branch_1/Conv2d_0a_1x1": "inception_{3c,4e}/branch1_conv0_1x1",
        "Mixed_{4a,5a}/Branch_1/Conv2d_0b_3x3": "inception_{3c,4e}/branch1_conv1_3x3",
        "Mixed_{4a,5a}/Branch_1/Conv2d_1a_3x3": "inception_{3c,4e}/branch1_conv2_3x3",
        "Logits/Conv2d_1c_1x1": "logits",
    },
)

INCEPTION_V3 = slim_source(
    "inception_v3",
    "InceptionV3",
    {
        "Conv2d_{1a_3x3,2a_3x3,2b_3x3,3b_1x1,4a_3x3}": "conv2d_{1a,2a,2b,3b,4a}",
        "Mixed_5{b,c,d}/Branch_0/Conv2d_0a_1x1": "mixed_5{b,c,d}/branch0_conv0_1x1",
        "Mixed_5{b,d}/Branch_1/Conv2d_0a_1x1": "mixed_5{b,d}/branch1_conv0_1x1",
        "Mixed_5{b,d}/Branch_1/Conv2d_0b_5x5": "mixed_5{b,d}/branch1_conv1_5x5",
        "Mixed_5c/Branch_1/Conv2d_0b_1x1": "mixed_5c/branch1_conv0_1x1",
        "Mixed_5c/Branch_1/Conv_1_0c_5x5": "mixed_5c/branch1_conv1_5x5",
        "Mixed_5{b,c,d}/Branch_2/Conv2d_0a_1x1": "mixed_5{b,c,d}/branch2_conv0_1x1",
        "Mixed_5{b,c,d}/Branch_2/Conv2d_0b_3x3": "mixed_5{b,c,d}/branch2_conv1_3x3",
        "Mixed_5{b,c,d}/Branch_2/Conv2d_0c_3x3": "mixed_5{b,c,d}/branch2_conv2_3x3",
        "Mixed_5{b,c,d}/Branch_3/Conv2d_0b_1x1": "mixed_5{b,c,d}/branch3_conv0_1x1",
        "Mixed_6a/Branch_0/Conv2d_1a_1x1": "mixed_6a/branch0_conv0_3x3",
        "Mixed_6a/Branch_1/Conv2d_0a_1x1": "mixed_6a/branch1_conv0_1x1",
        "Mixed_6a/Branch_1/Conv2d_0b_3x3": "mixed_6a/branch1_conv1_3x3",
        "Mixed_6a/Branch_1/Conv2d_1a_1x1": "mixed_6a/branch1_conv2_3x3",
        "Mixed_6{b,c,d,e}/Branch_0/Conv2d_0a_1x1": "mixed_6{b,c,d,e}/branch0_conv0_1x1",
        "Mixed_6{b,c,d,e}/Branch_1/Conv2d_0a_1x1": "mixed_6{b,c,d,e}/branch1_conv0_1x1",
        "Mixed_6{b,c,d,e}/Branch_1/Conv2d_0b_1x7": "mixed_6{b,c,d,e}/branch1_conv1_1x7",
        "Mixed_6{b,c,d,e}/Branch_1/Conv2d_0c_7x1": "mixed_6{b,c,d,e}/branch1_conv2_7x1",
        "Mixed_6{b,c,d,e}/Branch_2/Conv2d_0a_1x1": "mixed_6{b,c,d,e}/branch2_conv0_1x1",
        "Mixed_6{b,c,d,e}/Branch_2/Conv2d_0b_7x1": "mixed_6{b,c,d,e}/branch2_conv1_7x1",
        "Mixed_6{b,c,d,e}/Branch_2/Conv2d_0c_1x7": "mixed_6{b,c,d,e}/branch2_conv2_1x7",
        "Mixed_6{b,c,d,e}/Branch_2/Conv2d_0d_7x1": "mixed_6{b,c,d,e}/branch2_conv3_7x1",
        "Mixed_6{b,c,d,e}/Branch_2/Conv2d_0e_1x7": "mixed_6{b,c,d,e}/branch2_conv4_1x7",
        "Mixed_6{b,c,d,e}/Branch_3/Conv2d_0b_1x1": "mixed_6{b,c,d,e}/branch3_conv0_1x1",
        "Mixed_7a/Branch_0/Conv2d_{0a_1x1,1a_3x3}": "mixed_7a/branch0_{conv0_1x1,conv1_3x3}",
        "Mixed_7a/Branch_1/Conv2d_{0a_1x1,0b_1x7,0c_7x1,1a_3x3}": (
            "mixed_7a/branch1_{conv0_1x1,conv1_1x7,conv2_7x1,conv3_3x3}"
        ),
        "Mixed_7{b,c}/Branch_0/Conv2d_0a_1x1": "mixed_7{b,c}/branch0_conv0_1x1",
        "Mixed_7{b,c}/Branch_1/Conv2d_0a_1x1": "mixed_7{b,c}/branch1_conv0_1x1",
        "Mixed_7{b,c}/Branch_1/Conv2d_0b_1x3": "mixed_7{b,c}/branch1_conv1a_1x3",
        "Mixed_7b/Branch_1/Conv2d_0b_3x1": "mixed_7b/branch1_conv1b_3x1",
        "Mixed_7c/Branch_1/Conv2d_0c_3x1": "mixed_7c/branch1_conv1b_3x1",
        "Mixed_7{b,c}/Branch_2/Conv2d_0a_1x1": "mixed_7{b,c}/branch2_conv0_1x1",
        "Mixed_7{b,c}/Branch_2/Conv2d_0b_3x3": "mixed_7{b,c}/branch2_conv1_3x3",
        "Mixed_7{b,c}/Branch_2/Conv2d_0c_1x3": "mixed_7{b,c}/branch2_conv2a_1x3",
        "Mixed_7{b,c}/Branch_2/Conv2d_0d_3x1": "mixed_7{b,c}/branch2_conv2b_3x1",
        "Mixed_7{b,c}/Branch_3/Conv2d_0b_1x1": "mixed_7{b,c}/branch3_conv0_1x1",
        "AuxLogits/Conv2d_{1b_1x1,2a_5x5}": "aux/{conv1,conv2}",
        "AuxLogits/Conv2d_2b_1x1": "aux/logits",
        "Logits/Conv2d_1c_1x1": "logits",
    },
)

INCEPTION_V4 = slim_source(
    "inception_v4",
    "InceptionV4",
    {
        "Conv2d_{1a,2a,2b}_3x3": "conv2d_{1a,2a,2b}",
        "Mixed_3a/Branch_1/Conv2d_0a_3x3": "mixed_3a/branch1_conv0_3x3",
        "Mixed_4a/Branch_0/Conv2d_{0a_1x1,1a_3x3}": "mixed_4a/branch0_{conv0_1x1,conv1_3x3}",
        "Mixed_4a/Branch_1/Conv2d_{0a_1x1,0b_1x7,0c_7x1,1a_3x3}": (
            "mixed_4a/branch1_{conv0_1x1,conv1_1x7,conv2_7x1,conv3_3x3}"
        ),
        "Mixed_5a/Branch_0/Conv2d_1a_3x3": "mixed_5a/branch0_conv0_3x3",
        "Mixed_5{b,c,d,e}/Branch_0/Conv2d_0a_1x1": "mixed_5{b,c,d,e}/branch0_conv0_1x1",
        "Mixed_5{b,c,d,e}/Branch_1/Conv2d_0a_1x1": "mixed_5{b,c,d,e}/branch1_conv0_1x1",
        "Mixed_5{b,c,d,e}/Branch_1/Conv2d_0b_3x3": "mixed_5{b,c,d,e}/branch1_conv1_3x3",
        "Mixed_5{b,c,d,e}/Branch_2/Conv2d_0a_1x1": "mixed_5{b,c,d,e}/branch2_conv0_1x1",
        "Mixed_5{b,c,d,e}/Branch_2/Conv2d_0b_3x3": "mixed_5{b,c,d,e}/branch2_conv1_3x3",
        "Mixed_5{b,c,d,e}/Branch_2/Conv2d_0c_3x3": "mixed_5{b,c,d,e}/branch2_conv2_3x3",
        "Mixed_5{b,c,d,e}/Branch_3/Conv2d_0b_1x1": "mixed_5{b,c,d,e}/branch3_conv0_1x1",
        "Mixed_6a/Branch_0/Conv2d_1a_3x3": "mixed_6a/branch0_conv0_3x3",
        "Mixed_6a/Branch_1/Conv2d_{0a_1x1,0b_3x3,1a_3x3}": "mixed_6a/branch1_{conv0_1x1,conv1_3x3,conv2_3x3}",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_0/Conv2d_0a_1x1": "mixed_6{b,c,d,e,f,g,h}/branch0_conv0_1x1",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_1/Conv2d_0a_1x1": "mixed_6{b,c,d,e,f,g,h}/branch1_conv0_1x1",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_1/Conv2d_0b_1x7": "mixed_6{b,c,d,e,f,g,h}/branch1_conv1_1x7",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_1/Conv2d_0c_7x1": "mixed_6{b,c,d,e,f,g,h}/branch1_conv2_7x1",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_2/Conv2d_0a_1x1": "mixed_6{b,c,d,e,f,g,h}/branch2_conv0_1x1",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_2/Conv2d_0b_7x1": "mixed_6{b,c,d,e,f,g,h}/branch2_conv1_7x1",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_2/Conv2d_0c_1x7": "mixed_6{b,c,d,e,f,g,h}/branch2_conv2_1x7",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_2/Conv2d_0d_7x1": "mixed_6{b,c,d,e,f,g,h}/branch2_conv3_7x1",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_2/Conv2d_0e_1x7": "mixed_6{b,c,d,e,f,g,h}/branch2_conv4_1x7",
        "Mixed_6{b,c,d,e,f,g,h}/Branch_3/Conv2d_0b_1x1": "mixed_6{b,c,d,e,f,g,h}/branch3_conv0_1x1",
        "Mixed_7a/Branch_0/Conv2d_{0a_1x1,1a_3x3}": "mixed_7a/branch0_{conv0_1x1,conv1_3x3}",
        "Mixed_7a/Branch_1/Conv2d_{0a_1x1,0b_1x7,0c_7x1,1a_3x3}": (
            "mixed_7a/branch1_{conv0_1x1,conv1_1x7,conv2_7x1,conv3_3x3}"
        ),
        "Mixed_7{b,c,d}/Branch_0/Conv2d_0a_1x1": "mixed_7{b,c,d}/branch0_conv0_1x1",
        "Mixed_7{b,c,d}/Branch_1/Conv2d_0a_1x1": "mixed_7{b,c,d}/branch1_conv0_1x1",
        "Mixed_7{b,c,d}/Branch_1/Conv2d_0b_1x3": "mixed_7{b,c,d}/branch1_conv1a_1x3",
        "Mixed_7{b,c,d}/Branch_1/Conv2d_0c_3x1": "mixed_7{b,c,d}/branch1_conv1b_3x1",
        "Mixed_7{b,c,d}/Branch_2/Conv2d_0a_1x1": "mixed_7{b,c,d}/branch2_conv0_1x1",
        "Mixed_7{b,c,d}/Branch_2/Conv2d_0b_3x1": "mixed_7{b,c,d}/branch2_conv1_3x1",
        "Mixed_7{b,c,d}/Branch_2/Conv2d_0c_1x3": "mixed_7{b,c,d}/branch2_conv2_1x3",
        "Mixed_7{b,c,d}/Branch_2/Conv2d_0d_1x3": "mixed_7{b,c,d}/branch2_conv3a_1x3",
        "Mixed_7{b,c,d}/Branch_2/Conv2d_0e_3x1": "mixed_7{b,c,d}/branch2_conv3b_3x1",
        "Mixed_7{b,c,d}/Branch_3/Conv2d_0b_1x1": "mixed_7{b,c,d}/branch3_conv0_1x1",
        "AuxLogits/Conv2d_{1b_1x1,2a}": "aux/{conv1,conv2}",
        "AuxLogits/Aux_logits": "aux/logits",
        "Logits/Logits": "logits",
    },
)

INCEPTION_RESNET_V2 = slim_source(
    "inception_resnet_v2",
    "InceptionResnetV2",
    {
        "Conv2d_{1a_3x3,2a_3x3,2b_3x3,3b_1x1,4a_3x3,7b_1x1}": "conv2d_{1a,2a,2b,3b,4a,7b}",
        "Mixed_5b/Branch_0/Conv2d_1x1": "mixed_5b/branch0_conv0_1x1",
        "Mixed_5b/Branch_1/Conv2d_{0a_1x1,0b_5x5}": "mixed_5b/branch1_{conv0_1x1,conv1_5x5}",
        "Mixed_5b/Branch_2/Conv2d_{0a_1x1,0b_3x3,0c_3x3}": "mixed_5b/branch2_{conv0_1x1,conv1_3x3,conv2_3x3}",
        "Mixed_5b/Branch_3/Conv2d_0b_1x1": "mixed_5b/branch3_conv0_1x1",
        "Repeat/block35_{1..10}/Branch_0/Conv2d_1x1": "block35_{1..10}/branch0_conv0_1x1",
        "Repeat/block35_{1..10}/Branch_1/Conv2d_0a_1x1": "block35_{1..10}/branch1_conv0_1x1",
        "Repeat/block35_{1..10}/Branch_1/Conv2d_0b_3x3": "block35_{1..10}/branch1_conv1_3x3",
        "Repeat/block35_{1..10}/Branch_2/Conv2d_0a_1x1": "block35_{1..10}/branch2_conv0_1x1",
        "Repeat/block35_{1..10}/Branch_2/Conv2d_0b_3x3": "block35_{1..10}/branch2_conv1_3x3",
        "Repeat/block35_{1..10}/Branch_2/Conv2d_0c_3x3": "block35_{1..10}/branch2_conv2_3x3",
        "Repeat/block35_{1..10}/Conv2d_1x1": "block35_{1..10}/up",
        "Mixed_6a/Branch_0/Conv2d_1a_3x3": "mixed_6a/branch0_conv0_3x3",
        "Mixed_6a/Branch_1/Conv2d_{0a_1x1,0b_3x3,1a_3x3}": "mixed_6a/branch1_{conv0_1x1,conv1_3x3,conv2_3x3}",
        "Repeat_1/block17_{1..20}/Branch_0/Conv2d_1x1": "block17_{1..20}/branch0_conv0_1x1",
        "Repeat_1/block17_{1..20}/Branch_1/Conv2d_0a_1x1": "block17_{1..20}/branch1_conv0_1x1",
        "Repeat_1/block17_{1..20}/Branch_1/Conv2d_0b_1x7": "block17_{1..20}/branch1_conv1_1x7",
        "Repeat_1/block17_{1..20}/Branch_1/Conv2d_0c_7x1": "block17_{1..20}/branch1_conv2_7x1",
        "Repeat_1/block17_{1..20}/Conv2d_1x1": "block17_{1..20}/up",
        "Mixed_7a/Branch_0/Conv2d_{0a_1x1,1a_3x3}": "mixed_7a/branch0_{conv0_1x1,conv1_3x3}",
        "Mixed_7a/Branch_1/Conv2d_{0a_1x1,1a_3x3}": "mixed_7a/branch1_{conv0_1x1,conv1_3x3}",
        "Mixed_7a/Branch_2/Conv2d_{0a_1x1,0b_3x3,1a_3x3}": "mixed_7a/branch2_{conv0_1x1,conv1_3x3,conv2_3x3}",
        "Repeat_2/block8_{1..9}/Branch_0/Conv2d_1x1": "block8_{1..9}/branch0_conv0_1x1",
        "Repeat_2/block8_{1..9}/Branch_1/Conv2d_0a_1x1": "block8_{1..9}/branch1_conv0_1x1",
        "Repeat_2/block8_{1..9}/Branch_1/Conv2d_0b_1x3": "block8_{1..9}/branch1_conv1_1x3",
        "Repeat_2/block8_{1..9}/Branch_1/Conv2d_0c_3x1": "block8_{1..9}/branch1_conv2_3x1",
        "Repeat_2/block8_{1..9}/Conv2d_1x1": "block8_{1..9}/up",
        "Block8/Branch_0/Conv2d_1x1": "block8_10/branch0_conv0_1x1",
        "Block8/Branch_1/Conv2d_{0a_1x1,0b_1x3,0c_3x1}": "block8_10/branch1_{conv0_1x1,conv1_1x3,conv2_3x1}",
        "Block8/Conv2d_1x1": "block8_10/up",
        "AuxLogits/Conv2d_{1b_1x1,2a_5x5}": "aux/{conv1,conv2}",
        "AuxLogits/Logits": "aux/logits",
        "Logits/Logits": "logits",
    },
)
