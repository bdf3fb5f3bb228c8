"""GoogLeNet, also called Inception-v1: Going Deeper with Convolutions, arXiv 1409.4842, table 1."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.models.auxiliary import googlenet_head
from inception_jax.models.network import Architecture
from inception_jax.models.table import Inception, LocalResponseNorm, Row, conv, inception, max_pool


@dataclass(frozen=True)
class Options:
    """Choices that differ between the paper, public code and small images.

    Attributes:
      stem_stride: stride of conv1; 1 for low-resolution input (as Rethinking, section 8).
      stem_pools: max pools kept of the two in the stem; fewer for low-resolution input.
    """

    stem_stride: int = 2
    stem_pools: int = 2


VARIANTS = {"paper": Options()}

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
}


def module(c1: int, reduce3: int, c3: int, reduce5: int, c5: int, project: int) -> Inception:
    """Figure 2b, in the order of table 1's columns."""
    return inception(
        [conv(c1)],
        [conv(reduce3), conv(c3, 3)],
        [conv(reduce5), conv(c5, 5)],
        [max_pool(3), conv(project)],
    )


def build(options: Options) -> Architecture:
    """Table 1. The local response norms stand where the paper's schematic has them."""
    rows: list[Row] = [("conv1", conv(64, 7, options.stem_stride))]
    if options.stem_pools > 1:
        rows += [("pool1", max_pool(3, 2))]
    rows += [
        ("norm1", LocalResponseNorm()),
        ("conv2_reduce", conv(64)),
        ("conv2", conv(192, 3)),
        ("norm2", LocalResponseNorm()),
    ]
    if options.stem_pools > 0:
        rows += [("pool2", max_pool(3, 2))]
    rows += [
        ("inception_3a", module(64, 96, 128, 16, 32, 32)),
        ("inception_3b", module(128, 128, 192, 32, 96, 64)),
        ("pool3", max_pool(3, 2)),
        ("inception_4a", module(192, 96, 208, 16, 48, 64)),
        ("inception_4b", module(160, 112, 224, 24, 64, 64)),
        ("inception_4c", module(128, 128, 256, 24, 64, 64)),
        ("inception_4d", module(112, 144, 288, 32, 64, 64)),
        ("inception_4e", module(256, 160, 320, 32, 128, 128)),
        ("pool4", max_pool(3, 2)),
        ("inception_5a", module(256, 160, 320, 32, 128, 128)),
        ("inception_5b", module(384, 192, 384, 48, 128, 128)),
    ]
    heads = (googlenet_head("aux1", "inception_4a"), googlenet_head("aux2", "inception_4d"))
    return Architecture(tuple(rows), heads, dropout=0.4, norm=None, input_size=224, published=PUBLISHED)
