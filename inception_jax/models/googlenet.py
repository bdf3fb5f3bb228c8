"""GoogLeNet, also called Inception-v1: Going Deeper with Convolutions, arXiv 1409.4842, table 1."""

from __future__ import annotations

from dataclasses import dataclass, replace

import flax.linen as nn

from inception_jax.models.auxiliary import googlenet_head
from inception_jax.models.layers import BatchNormSpec, he_normal
from inception_jax.models.network import Architecture
from inception_jax.models.table import Inception, LocalResponseNorm, Padding, Row, conv, inception, max_pool


@dataclass(frozen=True)
class Options:
    """Choices that differ between the paper, public code and small images.

    Attributes:
      batch_norm: batch norm behind every convolution in place of biases and local response norm.
      bn_scale: the batch norm has a gamma.
      third_kernel: side of the third branch's convolution: the paper's 5; slim and torchvision have 3.
      heads: the two auxiliary classifiers.
      adaptive_heads: they pool to 4x4 whatever the map, as torchvision's.
      last_pool: window of the pool before 5a.
      ceil_pools: pools between stages start at the first pixel and round their size up (Caffe, torch), and
        conv1 is padded by 3 on every side. TensorFlow's SAME puts the odd pixel behind, one pixel off.
      dropout: share dropped before the classifier.
      caffe_init: Xavier kernels and biases of 0.2.
      naive: modules without reductions (figure 2a), whose width grows from one to the next.
      stem_stride: stride of conv1; 1 for low-resolution input (as Rethinking, section 8).
      stem_pools: max pools kept of the two in the stem; fewer for low-resolution input.
    """

    batch_norm: bool = False
    bn_scale: bool = False
    third_kernel: int = 5
    heads: bool = True
    adaptive_heads: bool = False
    last_pool: int = 3
    ceil_pools: bool = False
    dropout: float = 0.4
    caffe_init: bool = False
    naive: bool = False
    stem_stride: int = 2
    stem_pools: int = 2


PAPER = Options()
SLIM = Options(batch_norm=True, third_kernel=3, heads=False, last_pool=2, dropout=0.2)
VARIANTS = {
    "paper": PAPER,
    "caffe": replace(PAPER, ceil_pools=True, caffe_init=True),
    "slim": SLIM,
    "torchvision": replace(SLIM, bn_scale=True, heads=True, adaptive_heads=True, ceil_pools=True),
    "naive": replace(PAPER, naive=True),
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
    "total": {"params": "5 M (12x fewer than AlexNet)", "ops": "1.5 G"},
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
    if not options.batch_norm:
        rows += [("norm1", LocalResponseNorm())]
    rows += [("conv2_reduce", conv(64)), ("conv2", conv(192, 3))]
    if not options.batch_norm:
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
        norm=BatchNormSpec(scale=options.bn_scale) if options.batch_norm else None,
        input_size=224,
        kernel_init=nn.initializers.glorot_uniform() if options.caffe_init else he_normal,
        bias_init=0.2 if options.caffe_init else 0.0,
        published={} if options.naive else PUBLISHED,
    )
