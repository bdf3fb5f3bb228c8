"""Caffe's names: `bvlc_googlenet`, as a caffemodel, and the ONNX model zoo's GoogLeNet, Inception-v1 and -v2.

The networks read BGR; their first kernel is turned around here, so that ours read RGB. The zoo's graphs came from
Caffe: its Inception-v1 is GoogLeNet with other weights, its Inception-v2 is BN-Inception. Some of its graphs lost
Caffe's rounding of pools and its counting of the border; weights were trained with both, which our variant has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from inception_jax.weights import pytorch
from inception_jax.weights.mapping import Layers, Source, expand

ROWS = {
    "conv1/7x7_s2": "conv1",
    "conv2/3x3_reduce": "conv2_reduce",
    "conv2/3x3": "conv2",
    "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/1x1": "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch0_conv0_1x1",
    "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/3x3_reduce": "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch1_conv0_1x1",
    "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/3x3": "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch1_conv1_3x3",
    "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/5x5_reduce": "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch2_conv0_1x1",
    "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/5x5": "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch2_conv1_5x5",
    "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/pool_proj": "inception_{3a,3b,4a,4b,4c,4d,4e,5a,5b}/branch3_conv0_1x1",
    "loss{1,2}/conv": "aux{1,2}/conv",
    "loss{1,2}/fc": "aux{1,2}/fc",
    "loss{1,2}/classifier": "aux{1,2}/logits",
    "loss3/classifier": "logits",
}

BN_ROWS = {
    "conv1/7x7_s2": "conv1",
    "conv2/3x3_reduce": "conv2_reduce",
    "conv2/3x3": "conv2",
    "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/1x1": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch0_conv0_1x1",
    "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/3x3_reduce": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch1_conv0_1x1",
    "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/3x3": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch1_conv1_3x3",
    "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/double3x3_reduce": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv0_1x1",
    "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/double3x3a": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv1_3x3",
    "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/double3x3b": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv2_3x3",
    "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/pool_proj": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch3_conv0_1x1",
    "inception_{3c,4e}/3x3_reduce": "inception_{3c,4e}/branch0_conv0_1x1",
    "inception_{3c,4e}/3x3": "inception_{3c,4e}/branch0_conv1_3x3",
    "inception_{3c,4e}/double3x3_reduce": "inception_{3c,4e}/branch1_conv0_1x1",
    "inception_{3c,4e}/double3x3a": "inception_{3c,4e}/branch1_conv1_3x3",
    "inception_{3c,4e}/double3x3b": "inception_{3c,4e}/branch1_conv2_3x3",
    "loss3/classifier": "logits",
}
ONNX = {"kernel": "_w_0", "bias": "_b_0"}
# Caffe's batch norm neither scales nor shifts; its Scale layer behind does. The zoo keeps both as the two they are.
ONNX_NORM = {
    "norm/scale": "/bn/sc_w_0",
    "norm/bias": "/bn/sc_b_0",
    "norm/mean": "/bn_mean_0",
    "norm/var": "/bn_var_0",
}


def caffe_source(
    network: str, rows: Mapping[str, str], tensors: Mapping[str, str], ignored: tuple[str, ...] = ()
) -> Source:
    """A source whose layers are called by `rows` -> layers here, and whose `tensors` are what ours are called there."""
    named = expand(rows)

    def table(_: Collection[str], layers: Layers) -> dict[str, str]:
        return {
            f"{theirs}{tensors[what]}": path
            for theirs, ours in named.items()
            for what, path in layers.get(ours, {}).items()
            if what in tensors
        }

    return Source(network, "caffe", table, layout, ignored)


def layout(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """As PyTorch's, and images are BGR: the three input channels of the first kernel turn around.

    Blobs have four axes; a matrix has ones before its own.
    """
    if array.ndim == 4 and len(shape) == 2 and array.shape[:2] == (1, 1):
        array = array[0, 0]
    array = pytorch.layout(array, shape)
    return array[:, :, ::-1] if array.ndim == 4 and array.shape[2] == 3 else array


GOOGLENET = caffe_source("googlenet", ROWS, {"kernel": "/0", "bias": "/1"})
GOOGLENET_ONNX = caffe_source("googlenet", ROWS, ONNX)
BN_INCEPTION_ONNX = caffe_source("bn_inception", BN_ROWS, ONNX | ONNX_NORM, ignored=("/bn_scale_0", "/bn_bias_0"))
