"""Inception-v3 as released: Rethinking the Inception Architecture, arXiv 1512.00567.

Rows carry the names of the released code. Where it and the paper disagree, the released form is
built: a true 5x5 in the 35x35 modules, 256 channels out of the first, four modules at 17x17.
"""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.models.auxiliary import inception_v3_head
from inception_jax.models.layers import BatchNormSpec
from inception_jax.models.network import Architecture
from inception_jax.models.table import Inception, Row, avg_pool, conv, inception, max_pool, split


@dataclass(frozen=True)
class Options:
    """Choices that differ between public code, and the paper's low-resolution networks.

    Attributes:
      bn_scale: batch norm has a gamma (torchvision, timm); slim and Keras have none.
      count_padding: average pools count the border's zeros (torchvision, timm); slim and Keras do not.
      stem_stride: stride of the first convolution: 1 for 151 pixels and below (section 8).
      stem_pools: max pools kept of the two in the stem: 1 for 79 pixels and below (section 8).
    """

    bn_scale: bool = False
    count_padding: bool = False
    stem_stride: int = 2
    stem_pools: int = 2


VARIANTS = {"slim": Options(), "torchvision": Options(bn_scale=True, count_padding=True)}


def module_35(project: int, options: Options) -> Inception:
    """35x35 (Figure 5, with the released code's 5x5)."""
    return inception(
        [conv(64)],
        [conv(48), conv(64, 5)],
        [conv(64), conv(96, 3), conv(96, 3)],
        [avg_pool(3, count_padding=options.count_padding), conv(project)],
    )


def module_17(c: int, options: Options) -> Inception:
    """17x17 (Figure 6, n = 7): `c` channels inside the factorised branches."""
    return inception(
        [conv(192)],
        [conv(c), conv(c, (1, 7)), conv(192, (7, 1))],
        [conv(c), conv(c, (7, 1)), conv(c, (1, 7)), conv(c, (7, 1)), conv(192, (1, 7))],
        [avg_pool(3, count_padding=options.count_padding), conv(192)],
    )


def module_8(options: Options) -> Inception:
    """8x8 (Figure 7): expanded filter banks."""
    return inception(
        [conv(320)],
        [conv(384), split(conv(384, (1, 3)), conv(384, (3, 1)))],
        [conv(448), conv(384, 3), split(conv(384, (1, 3)), conv(384, (3, 1)))],
        [avg_pool(3, count_padding=options.count_padding), conv(192)],
    )


def reduction_35() -> Inception:
    """35x35 -> 17x17 (Figure 10)."""
    return inception(
        [conv(384, 3, 2, "VALID")],
        [conv(64), conv(96, 3), conv(96, 3, 2, "VALID")],
        [max_pool(3, 2, "VALID")],
    )


def reduction_17() -> Inception:
    """17x17 -> 8x8."""
    return inception(
        [conv(192), conv(320, 3, 2, "VALID")],
        [conv(192), conv(192, (1, 7)), conv(192, (7, 1)), conv(192, 3, 2, "VALID")],
        [max_pool(3, 2, "VALID")],
    )


def stem(stride: int, pools: int) -> list[Row]:
    """299x299x3 -> 35x35x192, shared with the released Inception-ResNet-v2."""
    rows: list[Row] = [
        ("conv2d_1a", conv(32, 3, stride, "VALID")),
        ("conv2d_2a", conv(32, 3, padding="VALID")),
        ("conv2d_2b", conv(64, 3)),
    ]
    if pools > 1:
        rows += [("max_pool_3a", max_pool(3, 2, "VALID"))]
    rows += [("conv2d_3b", conv(80)), ("conv2d_4a", conv(192, 3, padding="VALID"))]
    if pools > 0:
        rows += [("max_pool_5a", max_pool(3, 2, "VALID"))]
    return rows


def build(options: Options) -> Architecture:
    """The released network; section 6 gives its outline and section 4 the auxiliary classifier."""
    rows: list[Row] = [
        *stem(options.stem_stride, options.stem_pools),
        ("mixed_5b", module_35(32, options)),
        ("mixed_5c", module_35(64, options)),
        ("mixed_5d", module_35(64, options)),
        ("mixed_6a", reduction_35()),
        ("mixed_6b", module_17(128, options)),
        ("mixed_6c", module_17(160, options)),
        ("mixed_6d", module_17(160, options)),
        ("mixed_6e", module_17(192, options)),
        ("mixed_7a", reduction_17()),
        ("mixed_7b", module_8(options)),
        ("mixed_7c", module_8(options)),
    ]
    return Architecture(
        tuple(rows),
        heads=(inception_v3_head("aux", "mixed_6e"),),
        dropout=0.2,
        norm=BatchNormSpec(scale=options.bn_scale),
        input_size=299,
        published={"total": {"params": "< 25 M", "ops": "5 billion (table 3: 4.8 G)"}},
    )
