"""Inception-v3 as released: Rethinking the Inception Architecture, arXiv 1512.00567.

Rows carry the names of the released code. Where it and the paper disagree, the released form is
built: a true 5x5 in the 35x35 modules, 256 channels out of the first, four modules at 17x17. The paper prints
4.8 G operations and "5 billion"; the released network has 5.7 G multiply-adds. The name also stands for a recipe:
RMSProp, label smoothing, and batch norm in the auxiliary classifier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from inception_jax.models.auxiliary import inception_v3_head
from inception_jax.models.layers import INITIALIZERS, BatchNormSpec
from inception_jax.models.network import Architecture, Variant
from inception_jax.models.table import Inception, Row, avg_pool, conv, inception, max_pool, split


@dataclass(frozen=True)
class Options:
    """Choices that differ between public code, and the paper's low-resolution networks.

    Attributes:
      bn_scale: batch norm has a gamma (torchvision, timm); slim and Keras have none.
      bn_decay: of the running statistics.
      count_padding: average pools count the border's zeros (torchvision, timm); slim and Keras do not.
      stem_stride: stride of the first convolution: 1 for 151 pixels and below (section 9).
      stem_pools: max pools kept of the two in the stem: 1 for 79 pixels and below (section 9).
      input_size: pixels of a side that the variant is meant for.
      dropout: share dropped before the classifier.
      kernel_init: initial weights of the convolutions.
    """

    bn_scale: bool = False
    bn_decay: float = 0.9997
    count_padding: bool = False
    stem_stride: int = 2
    stem_pools: int = 2
    input_size: int = 299
    dropout: float = 0.2
    kernel_init: Literal["he", "xavier", "normal_0.01", "normal_0.1"] = "he"


SLIM = Options()
VARIANTS = {
    "slim": Variant(
        SLIM,
        "The released network as TensorFlow and Keras have it: batch norm without gamma, average pools that leave the "
        "border out. Keras' weights come without the auxiliary classifier.",
        ("TF-slim inception_v3", "Keras InceptionV3"),
    ),
    "torchvision": Variant(
        Options(bn_scale=True, bn_decay=0.9, count_padding=True, dropout=0.5, kernel_init="normal_0.1"),
        "The same layers with gammas and average pools that count the border's zeros, in torchvision and timm.",
        ("torchvision inception_v3", "timm inception_v3.*"),
    ),
    "low_resolution_151": Variant(
        replace(SLIM, stem_stride=1, input_size=151),
        "Table 2's middle row: images of 151 pixels, no stride in the first convolution.",
    ),
    "low_resolution_79": Variant(
        replace(SLIM, stem_stride=1, stem_pools=1, input_size=79),
        "Table 2's first row: images of 79 pixels, no stride in the first convolution and no pool behind the first "
        "three. Its third row, 299 pixels, is the network as it is.",
    ),
}


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
        dropout=options.dropout,
        norm=BatchNormSpec(scale=options.bn_scale, decay=options.bn_decay),
        input_size=options.input_size,
        kernel_init=INITIALIZERS[options.kernel_init],
        published={"total": {"params": "< 25 M", "ops": "5 billion (table 3: 4.8 G)"}},
    )
