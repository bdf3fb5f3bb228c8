"""Cadene's names: `pretrainedmodels.bninception`, a port of Caffe's BN-Inception, whose input is BGR too."""

from __future__ import annotations

from inception_jax.weights.caffe import caffe_source

SUFFIXES = {
    "kernel": ".weight",
    "bias": ".bias",
    "norm/scale": "_bn.weight",
    "norm/bias": "_bn.bias",
    "norm/mean": "_bn.running_mean",
    "norm/var": "_bn.running_var",
}

BN_INCEPTION = caffe_source(
    "bn_inception",
    {
        "conv1_7x7_s2": "conv1",
        "conv2_3x3_reduce": "conv2_reduce",
        "conv2_3x3": "conv2",
        "inception_{3a,3b,4a,4b,4c,4d,5a,5b}_1x1": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch0_conv0_1x1",
        "inception_{3a,3b,4a,4b,4c,4d,5a,5b}_3x3_reduce": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch1_conv0_1x1",
        "inception_{3a,3b,4a,4b,4c,4d,5a,5b}_3x3": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch1_conv1_3x3",
        "inception_{3a,3b,4a,4b,4c,4d,5a,5b}_double_3x3_reduce": (
            "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv0_1x1"
        ),
        "inception_{3a,3b,4a,4b,4c,4d,5a,5b}_double_3x3_1": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv1_3x3",
        "inception_{3a,3b,4a,4b,4c,4d,5a,5b}_double_3x3_2": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch2_conv2_3x3",
        "inception_{3a,3b,4a,4b,4c,4d,5a,5b}_pool_proj": "inception_{3a,3b,4a,4b,4c,4d,5a,5b}/branch3_conv0_1x1",
        "inception_{3c,4e}_3x3_reduce": "inception_{3c,4e}/branch0_conv0_1x1",
        "inception_{3c,4e}_3x3": "inception_{3c,4e}/branch0_conv1_3x3",
        "inception_{3c,4e}_double_3x3_reduce": "inception_{3c,4e}/branch1_conv0_1x1",
        "inception_{3c,4e}_double_3x3_1": "inception_{3c,4e}/branch1_conv1_3x3",
        "inception_{3c,4e}_double_3x3_2": "inception_{3c,4e}/branch1_conv2_3x3",
        "last_linear": "logits",
    },
    SUFFIXES,
    ignored=(".num_batches_tracked",),
)
