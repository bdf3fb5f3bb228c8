"""GoogLeNet, also called Inception-v1: Going Deeper with Convolutions, arXiv 1409.4842, table 1.

The table's column of parameters counts in units of 1024, and several of its rows do not match their own channel
counts, which every implementation follows. The paper says 12 times fewer parameters than AlexNet, 5 million; its
layers have 7.0 million, and 13.4 million while the two auxiliary classifiers are there. slim and torchvision
have 3x3 where the paper has 5x5 (torchvision's source calls it a known bug that is kept for its weights).

The cost of a module without reductions, on a 28x28x256 map with 128 1x1, 192 3x3 and 96 5x5 filters, is 854,196,224
multiply-adds for 672 channels. Reductions to 64 channels bring it to 271,351,808; the 358 million often printed
for that counts the 3x3 term twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from inception_jax.models.auxiliary import googlenet_head
from inception_jax.models.layers import INITIALIZERS, BatchNormSpec
from inception_jax.models.network import Architecture, Variant
from inception_jax.models.table import Inception, LocalResponseNorm, Padding, Row, conv, inception, max_pool


@dataclass(frozen=True)
class Options:
    """Choices that differ between the paper, public code and small images.

    Attributes:
      batch_norm: batch norm behind every convolution in place of biases and local response norm.
      bn_scale: the batch norm has a gamma.
      bn_decay: of the running statistics.
      lrn: local response norm in the stem, where there is no batch norm.
      third_kernel: side of the third branch's convolution: the paper's 5; slim and torchvision have 3.
      heads: the two auxiliary classifiers.
      adaptive_heads: they pool to 4x4 whatever the map, as torchvision's.
      last_pool: window of the pool before 5a.
      ceil_pools: pools between stages start at the first pixel and round their size up (Caffe, torch), and
        conv1 is padded by 3 on every side. TensorFlow's SAME puts the odd pixel behind, one pixel off.
      dropout: share dropped before the classifier.
      kernel_init: initial weights of the convolutions; the paper does not give them.
      bias_init: initial biases.
      naive: modules without reductions (figure 2a), whose width grows from one to the next.
      stem_stride: stride of conv1; 1 for low-resolution input (as Rethinking, section 9).
      stem_pools: max pools kept of the two in the stem; fewer for low-resolution input.
    """

    batch_norm: bool = False
    bn_scale: bool = False
    bn_decay: float = 0.9997
    lrn: bool = True
    third_kernel: int = 5
    heads: bool = True
    adaptive_heads: bool = False
    last_pool: int = 3
    ceil_pools: bool = False
    dropout: float = 0.4
    kernel_init: Literal["he", "xavier", "normal_0.01", "normal_0.1"] = "he"
    bias_init: float = 0.0
    naive: bool = False
    stem_stride: int = 2
    stem_pools: int = 2


PAPER = Options()
SLIM = Options(batch_norm=True, third_kernel=3, heads=False, last_pool=2, dropout=0.2, kernel_init="normal_0.01")
VARIANTS = {
    "paper": Variant(
        PAPER,
        "Table 1 with a true 5x5, biases, local response normalisation where the schematic has it, and two auxiliary "
        "classifiers. conv1 is a dense 7x7, as in all public code: the table's 2.7K weights and 34M operations are "
        "those of a separable one, which the paper does not mention.",
    ),
    "caffe": Variant(
        replace(PAPER, ceil_pools=True, kernel_init="xavier", bias_init=0.2),
        "BVLC's form of the paper's network: pools that round their size up, conv1 padded alike on both sides, Xavier "
        "weights, biases of 0.2. TensorFlow's SAME shifts these maps by a pixel.",
        ("BVLC bvlc_googlenet", "ONNX model zoo GoogLeNet"),
    ),
    "slim": Variant(
        SLIM,
        "Batch norm without gamma for biases and local response normalisation, 3x3 where the paper has 5x5, a 2x2 last "
        "pool, no auxiliary classifiers.",
        ("TF-slim inception_v1",),
    ),
    "torchvision": Variant(
        replace(SLIM, bn_scale=True, bn_decay=0.9, heads=True, adaptive_heads=True, ceil_pools=True),
        "slim's form with gammas and Caffe's pools, and auxiliary classifiers that pool to 4x4 whatever the map. The "
        "public weights of those are untrained.",
        ("torchvision googlenet",),
    ),
    "naive": Variant(
        replace(PAPER, naive=True),
        "Modules without reductions (figure 2a), whose pool branch keeps every channel of its input: what the "
        "reductions are there to prevent.",
    ),
}

# Table 1's own columns. Its "params" count 1024s, and some rows do not match their channel counts.
PUBLISHED = {
    "conv1": {"params": "2.7K", "ops": "34M"},
    "conv2": {"params": "112K", "ops": "360M"},
    "inception_3a": {"params": "159K", "ops": "128M"},
    "inception_3b": {"params": "380K", "ops": "304M"},
    "inception_4a": {"params": "364K", "ops": "73M"},
    "inception_4b": {"params": "437K", "ops": "88M"},
    "inception_4c": {"params": "463K", "ops": "100M"},
    "inception_4d": {"params": "580K", "ops": "119M"},
    "inception_4e": {"params": "840K", "ops": "170M"},
    "inception_5a": {"params": "1072K", "ops": "54M"},
    "inception_5b": {"params": "1388K", "ops": "71M"},
    "logits": {"params": "1000K", "ops": "1M"},
    "total": {"params": "5 M", "ops": "1.5 G"},
}


def reduced(c1: int, reduce3: int, c3: int, reduce5: int, c5: int, project: int, kernel: int = 5) -> Inception:
    """Figure 2b, in the order of table 1's columns."""
    return inception(
        [conv(c1)],
        [conv(reduce3), conv(c3, 3)],
        [conv(reduce5), conv(c5, kernel)],
        [max_pool(3), conv(project)],
    )


def naive(c1: int, c3: int, c5: int) -> Inception:
    """Figure 2a: no reductions, and the pool keeps every channel of its input."""
    return inception([conv(c1)], [conv(c3, 3)], [conv(c5, 5)], [max_pool(3)])


def build(options: Options) -> Architecture:
    """Table 1. The local response norms stand where the paper's schematic has them."""
    edge: Padding = "CEIL" if options.ceil_pools else "SAME"

    def module(c1: int, reduce3: int, c3: int, reduce5: int, c5: int, project: int) -> Inception:
        if options.naive:
            return naive(c1, c3, c5)
        return reduced(c1, reduce3, c3, reduce5, c5, project, options.third_kernel)

    rows: list[Row] = [("conv1", conv(64, 7, options.stem_stride, 3 if options.ceil_pools else "SAME"))]
    if options.stem_pools > 1:
        rows += [("pool1", max_pool(3, 2, edge))]
    lrn = options.lrn and not options.batch_norm
    if lrn:
        rows += [("norm1", LocalResponseNorm())]
    rows += [("conv2_reduce", conv(64)), ("conv2", conv(192, 3))]
    if lrn:
        rows += [("norm2", LocalResponseNorm())]
    if options.stem_pools > 0:
        rows += [("pool2", max_pool(3, 2, edge))]
    rows += [
        ("inception_3a", module(64, 96, 128, 16, 32, 32)),
        ("inception_3b", module(128, 128, 192, 32, 96, 64)),
        ("pool3", max_pool(3, 2, edge)),
        ("inception_4a", module(192, 96, 208, 16, 48, 64)),
        ("inception_4b", module(160, 112, 224, 24, 64, 64)),
        ("inception_4c", module(128, 128, 256, 24, 64, 64)),
        ("inception_4d", module(112, 144, 288, 32, 64, 64)),
        ("inception_4e", module(256, 160, 320, 32, 128, 128)),
        ("pool4", max_pool(options.last_pool, 2, edge)),
        ("inception_5a", module(256, 160, 320, 32, 128, 128)),
        ("inception_5b", module(384, 192, 384, 48, 128, 128)),
    ]
    heads = tuple(
        googlenet_head(name, after, adaptive=options.adaptive_heads)
        for name, after in (("aux1", "inception_4a"), ("aux2", "inception_4d"))
    )
    return Architecture(
        tuple(rows),
        heads if options.heads else (),
        dropout=options.dropout,
        norm=(BatchNormSpec(scale=options.bn_scale, decay=options.bn_decay) if options.batch_norm else None),
        input_size=224,
        kernel_init=INITIALIZERS[options.kernel_init],
        bias_init=options.bias_init,
        published={} if options.naive else PUBLISHED,
    )
