"""Inception-v4: arXiv 1602.07261, figure 9. Rows carry the names of the released code (slim, timm).

The paper prints no cost. Slim and timm have the same layers and turn the order of the asymmetric convolutions that
code after the paper's figures has, which changes no count but makes weights of one useless to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.models.auxiliary import inception_v3_head
from inception_jax.models.layers import BatchNormSpec
from inception_jax.models.network import Architecture, Variant
from inception_jax.models.table import Inception, Row, avg_pool, conv, inception, max_pool, split


@dataclass(frozen=True)
class Options:
    """Choices that differ between the paper and public code.

    Attributes:
      bn_scale: batch norm has a gamma (timm); slim has none.
      bn_decay: of the running statistics.
      paper_order: the order of asymmetric convolutions that code after the paper's figures has: 7x1 first
        in the stem, 1x7 first in Inception-B's long branch, 1x3 first in Inception-C. Slim and timm turn
        each of them.
      heads: slim's auxiliary classifier on the last 17x17 module; the paper's figures show none.
    """

    bn_scale: bool = False
    bn_decay: float = 0.9997
    paper_order: bool = False
    heads: bool = True


VARIANTS = {
    "slim": Variant(
        Options(),
        "The released network with slim's auxiliary classifier on the last 17x17 module; no gamma.",
        ("TF-slim inception_v4",),
    ),
    "timm": Variant(
        Options(bn_scale=True, bn_decay=0.9, heads=False),
        "The same layers with gammas and no auxiliary classifier.",
        ("timm inception_v4.*",),
    ),
    "paper": Variant(
        Options(paper_order=True, heads=False),
        "The asymmetric convolutions in the order of code that follows the paper's figures; counts do not change, "
        "weights do not carry over.",
    ),
}

TALL, WIDE = (7, 1), (1, 7)


def stem(options: Options) -> list[Row]:
    """Figure 3: 299x299x3 -> 35x35x384; also the paper's Inception-ResNet-v2."""
    first, second = (TALL, WIDE) if options.paper_order else (WIDE, TALL)
    return [
        ("conv2d_1a", conv(32, 3, 2, "VALID")),
        ("conv2d_2a", conv(32, 3, padding="VALID")),
        ("conv2d_2b", conv(64, 3)),
        ("mixed_3a", inception([max_pool(3, 2, "VALID")], [conv(96, 3, 2, "VALID")])),
        (
            "mixed_4a",
            inception(
                [conv(64), conv(96, 3, padding="VALID")],
                [conv(64), conv(64, first), conv(64, second), conv(96, 3, padding="VALID")],
            ),
        ),
        ("mixed_5a", inception([conv(192, 3, 2, "VALID")], [max_pool(3, 2, "VALID")])),
    ]


def inception_a() -> Inception:
    """Figure 4, 35x35."""
    return inception(
        [conv(96)],
        [conv(64), conv(96, 3)],
        [conv(64), conv(96, 3), conv(96, 3)],
        [avg_pool(3), conv(96)],
    )


def reduction_a(k: int, l: int, m: int, n: int) -> Inception:  # noqa: E741, the paper's letters
    """Figure 7, 35x35 -> 17x17, with k, l, m and n of table 1."""
    return inception(
        [conv(n, 3, 2, "VALID")],
        [conv(k), conv(l, 3), conv(m, 3, 2, "VALID")],
        [max_pool(3, 2, "VALID")],
    )


def inception_b(options: Options) -> Inception:
    """Figure 5, 17x17."""
    first, second = (WIDE, TALL) if options.paper_order else (TALL, WIDE)
    return inception(
        [conv(384)],
        [conv(192), conv(224, WIDE), conv(256, TALL)],
        [conv(192), conv(192, first), conv(224, second), conv(224, first), conv(256, second)],
        [avg_pool(3), conv(128)],
    )


def reduction_b() -> Inception:
    """Figure 8, 17x17 -> 8x8."""
    return inception(
        [conv(192), conv(192, 3, 2, "VALID")],
        [conv(256), conv(256, WIDE), conv(320, TALL), conv(320, 3, 2, "VALID")],
        [max_pool(3, 2, "VALID")],
    )


def inception_c(options: Options) -> Inception:
    """Figure 6, 8x8."""
    first, second = ((1, 3), (3, 1)) if options.paper_order else ((3, 1), (1, 3))
    return inception(
        [conv(256)],
        [conv(384), split(conv(256, (1, 3)), conv(256, (3, 1)))],
        [conv(384), conv(448, first), conv(512, second), split(conv(256, (1, 3)), conv(256, (3, 1)))],
        [avg_pool(3), conv(256)],
    )


def build(options: Options) -> Architecture:
    """Figure 9: the stem, 4 x A, reduction, 7 x B, reduction, 3 x C."""
    rows: tuple[Row, ...] = (
        *stem(options),
        *((f"mixed_5{letter}", inception_a()) for letter in "bcde"),
        ("mixed_6a", reduction_a(192, 224, 256, 384)),
        *((f"mixed_6{letter}", inception_b(options)) for letter in "bcdefgh"),
        ("mixed_7a", reduction_b()),
        *((f"mixed_7{letter}", inception_c(options)) for letter in "bcd"),
    )
    return Architecture(
        rows,
        heads=(inception_v3_head("aux", "mixed_6h"),) if options.heads else (),
        dropout=0.2,
        norm=BatchNormSpec(scale=options.bn_scale, decay=options.bn_decay),
        input_size=299,
    )
