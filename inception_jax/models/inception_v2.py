"""Inception-v2: Rethinking the Inception Architecture, arXiv 1512.00567, table 1.

The paper gives the outline; the filter banks were in a supplement. This reconstruction takes those of the
released Inception-v3, with 288 channels in and out of all three 35x35 modules.
"""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.models.auxiliary import inception_v3_head
from inception_jax.models.inception_v3 import Options as V3Options
from inception_jax.models.inception_v3 import module_8, module_17, reduction_17, reduction_35
from inception_jax.models.layers import BatchNormSpec
from inception_jax.models.network import Architecture
from inception_jax.models.table import Inception, Row, avg_pool, conv, inception, max_pool


@dataclass(frozen=True)
class Options:
    """Choices that the paper leaves open.

    Attributes:
      bn_scale: batch norm has a gamma.
      modules_17: 5 modules at 17x17 as table 1 says, or the 4 of the released Inception-v3.
      heads: the auxiliary classifier on the last 17x17 module.
    """

    bn_scale: bool = True
    modules_17: int = 5
    heads: bool = True


VARIANTS = {"table1": Options(), "four_modules": Options(modules_17=4)}


def module_35() -> Inception:
    """Figure 5: the 5x5 as two 3x3."""
    return inception(
        [conv(64)],
        [conv(48), conv(64, 3)],
        [conv(64), conv(96, 3), conv(96, 3)],
        [avg_pool(3), conv(64)],
    )


def build(options: Options) -> Architecture:
    """Table 1, from the 3x3 that replace the 7x7 convolution on."""
    if not 2 <= options.modules_17 <= 7:
        raise ValueError(f"option modules_17 of inception_v2 must be 2 to 7, got {options.modules_17}")
    v3 = V3Options()
    widths = (128, *(160 for _ in range(options.modules_17 - 2)), 192)
    names = [f"mixed_6{letter}" for letter, _ in zip("bcdefgh", widths, strict=False)]
    rows: list[Row] = [
        ("conv1", conv(32, 3, 2, "VALID")),
        ("conv2", conv(32, 3, padding="VALID")),
        ("conv3", conv(64, 3)),
        ("pool1", max_pool(3, 2, "VALID")),
        ("conv4", conv(80, 3, padding="VALID")),
        ("conv5", conv(192, 3, 2, "VALID")),
        ("conv6", conv(288, 3)),
        *((f"mixed_5{letter}", module_35()) for letter in "bcd"),
        ("mixed_6a", reduction_35()),
        *((name, module_17(width, v3)) for name, width in zip(names, widths, strict=True)),
        ("mixed_7a", reduction_17()),
        ("mixed_7b", module_8(v3)),
        ("mixed_7c", module_8(v3)),
    ]
    return Architecture(
        tuple(rows),
        heads=(inception_v3_head("aux", names[-1]),) if options.heads else (),
        dropout=0.2,
        norm=BatchNormSpec(scale=options.bn_scale),
        input_size=299,
        published={"total": {"ops": "4.8 G"}},
    )
