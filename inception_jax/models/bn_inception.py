"""BN-Inception: Batch Normalization, arXiv 1502.03167, appendix. TF-slim calls it `inception_v2`.

The appendix's table does not add up: 4c and 4d print 576 channels where their branches sum to 608. The
paper variant builds the branches as printed, as Caffe's networks do; slim narrows two projections so that
576 holds. The paper counts 13.6 M parameters; no reading of its table has more than 11.3 M.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import flax.linen as nn

from inception_jax.models.auxiliary import googlenet_head
from inception_jax.models.layers import ACTIVATIONS, INITIALIZERS, BatchNormSpec
from inception_jax.models.network import Architecture, Variant
from inception_jax.models.table import (
    Conv,
    Inception,
    LocalResponseNorm,
    Padding,
    Pool,
    Row,
    avg_pool,
    conv,
    inception,
    max_pool,
)


@dataclass(frozen=True)
class Options:
    """Choices that differ between the paper, slim and Caffe.

    Attributes:
      projection_4c_4d: channels behind the pools of 4c and 4d: 128 as printed, 96 in slim.
      activation: behind every batch norm: "relu", or "sigmoid" for the paper's BN-x5-Sigmoid.
      batch_norm: batch norm behind every convolution; without it a bias (the "Inception" of figure 3).
      lrn: GoogLeNet's local response norms in the stem, which "Inception" and "BN-Baseline" keep.
      bn_scale: batch norm has a gamma.
      activation_norm: batch norm of 5a and 5b normalises each activation by itself rather than each channel, which the
        ensemble's networks may have "in the last hidden layers"; the image size is then that of training.
      bn_epsilon: inside the root of batch norm; the paper gives none, Caffe's layer has 1e-5.
      separable_conv1: the first 7x7 is a filter bank of 8 on each channel, then a 1x1; Caffe's is dense.
      norm_conv1: batch norm behind the first convolution; slim has a bias there instead.
      conv1_stddev: of the first convolution's initial weights, 1.0 in slim; 0 for those of the others.
      caffe_edges: pools between stages round their size up, strided convolutions are padded alike on both
        sides, and average pools count the border's zeros.
      conv_bias: convolutions have a bias before their batch norm, where it is redundant.
      heads: two auxiliary classifiers, on 3c and 4e; the paper describes none.
      dropout: share dropped before the classifier.
      kernel_init: initial weights of the convolutions.
      init_scale: multiplies their deviation, for the ensemble's "larger initial weights"; with "he" only.
    """

    projection_4c_4d: int = 128
    activation: Literal["relu", "sigmoid"] = "relu"
    batch_norm: bool = True
    lrn: bool = False
    bn_scale: bool = True
    activation_norm: bool = False
    bn_epsilon: float = 1e-3
    separable_conv1: bool = True
    norm_conv1: bool = True
    conv1_stddev: float = 0.0
    caffe_edges: bool = False
    conv_bias: bool = False
    heads: bool = False
    dropout: float = 0.4
    kernel_init: Literal["he", "xavier", "normal_0.01", "normal_0.1"] = "he"
    init_scale: float = 1.0


PAPER = Options()
VARIANTS = {
    "paper": Variant(
        PAPER,
        "The appendix's table read literally: 608 channels out of 4c and 4d, 1056 out of 4e, and a separable first "
        "convolution of 8 filters a channel.",
    ),
    "slim": Variant(
        Options(projection_4c_4d=96, bn_scale=False, norm_conv1=False, conv1_stddev=1.0, dropout=0.2),
        "Projections of 96 in 4c and 4d, so that the printed 576 and 1024 hold; no gamma; a bias in place of batch "
        "norm behind the first convolution. slim's names run one ahead: its Mixed_4a is 3c here.",
        ("TF-slim inception_v2",),
    ),
    "caffe": Variant(
        replace(
            PAPER,
            bn_epsilon=1e-5,
            separable_conv1=False,
            caffe_edges=True,
            conv_bias=True,
            heads=True,
            dropout=0.0,
            kernel_init="xavier",
        ),
        "The literal table with a dense 7x7 first, biases that batch norm makes redundant, Caffe's edges, average "
        "pools that count the border, no dropout, and the two auxiliary classifiers of public Caffe code.",
        ("Caffe / Cadene bninception",),
    ),
}


def module(c1: int, reduce3: int, c3: int, reduce33: int, c33: int, pool: Pool, project: int) -> Inception:
    """GoogLeNet's module with the 5x5 as two 3x3, in the order of the table's columns."""
    return inception(
        [conv(c1)],
        [conv(reduce3), conv(c3, 3)],
        [conv(reduce33), conv(c33, 3), conv(c33, 3)],
        [pool, conv(project)],
    )


def reduction(reduce3: int, c3: int, reduce33: int, c33: int, padding: Padding) -> Inception:
    """3c and 4e: stride 2 in the convolutions, and a pool that keeps its channels."""
    return inception(
        [conv(reduce3), conv(c3, 3, 2, padding)],
        [conv(reduce33), conv(c33, 3), conv(c33, 3, 2, padding)],
        [max_pool(3, 2)],
    )


def _by_activation(module: Inception) -> Inception:
    """The module with batch norm of each activation by itself."""
    branches = [
        [replace(operation, by_activation=True) if isinstance(operation, Conv) else operation for operation in branch]
        for branch in module.branches
    ]
    return inception(*branches)


def _conv1(options: Options, padding: Padding) -> Conv:
    stddev = options.conv1_stddev or None
    multiplier = 8 if options.separable_conv1 else 0
    return conv(64, 7, 2, padding, norm=options.norm_conv1, stddev=stddev, multiplier=multiplier)


def _kernel_init(options: Options) -> nn.initializers.Initializer:
    if options.init_scale == 1:
        return INITIALIZERS[options.kernel_init]
    if options.kernel_init != "he":
        raise ValueError(f"option init_scale of bn_inception goes with kernel_init he, not {options.kernel_init}")
    return nn.initializers.variance_scaling(2 * options.init_scale**2, "fan_in", "truncated_normal")


def build(options: Options) -> Architecture:
    """The appendix's figure 5."""
    caffe, p = options.caffe_edges, options.projection_4c_4d
    avg = avg_pool(3, count_padding=caffe)
    stem_pool = max_pool(3, 2, "CEIL" if caffe else "SAME")
    strided: Padding = 1 if caffe else "SAME"
    last = _by_activation if options.activation_norm else lambda module: module
    norm1, norm2 = ([(name, LocalResponseNorm())] if options.lrn else [] for name in ("norm1", "norm2"))
    rows: tuple[Row, ...] = (
        ("conv1", _conv1(options, 3 if caffe else "SAME")),
        ("pool1", stem_pool),
        *norm1,
        ("conv2_reduce", conv(64)),
        ("conv2", conv(192, 3)),
        *norm2,
        ("pool2", stem_pool),
        ("inception_3a", module(64, 64, 64, 64, 96, avg, 32)),
        ("inception_3b", module(64, 64, 96, 64, 96, avg, 64)),
        ("inception_3c", reduction(128, 160, 64, 96, strided)),
        ("inception_4a", module(224, 64, 96, 96, 128, avg, 128)),
        ("inception_4b", module(192, 96, 128, 96, 128, avg, 128)),
        ("inception_4c", module(160, 128, 160, 128, 160, avg, p)),
        ("inception_4d", module(96, 128, 192, 160, 192, avg, p)),
        ("inception_4e", reduction(128, 192, 192, 256, strided)),
        ("inception_5a", last(module(352, 192, 320, 160, 224, avg, 128))),
        ("inception_5b", last(module(352, 192, 320, 192, 224, max_pool(3), 128))),
    )
    heads = tuple(
        googlenet_head(name, after, norm_fc=True, dropout=0.0)
        for name, after in (("aux1", "inception_3c"), ("aux2", "inception_4e"))
    )
    return Architecture(
        rows,
        heads=heads if options.heads else (),
        dropout=options.dropout,
        norm=BatchNormSpec(scale=options.bn_scale, epsilon=options.bn_epsilon) if options.batch_norm else None,
        input_size=224,
        activation=ACTIVATIONS[options.activation],
        kernel_init=_kernel_init(options),
        biased=options.conv_bias,
        published={"total": {"params": "13.6 M", "ops": "2.0 G (Rethinking, table 3)"}},
    )
