"""Inception-v2: Rethinking the Inception Architecture, arXiv 1512.00567, table 1.

The paper gives the outline; the filter banks were in a supplement. This reconstruction takes those of the
released Inception-v3, with 288 channels in and out of all three 35x35 modules. TF-slim's `inception_v2` is another
network: BN-Inception.

Table 3 starts from a form whose first layers table 1 no longer shows: "factorized 7x7" is a later row of it. Here
it has one 7x7 of stride 2 to 64 channels, which leaves the map, 147x147x64, that the three 3x3 leave.
"""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.models.auxiliary import inception_v3_head
from inception_jax.models.inception_v3 import Options as V3Options
from inception_jax.models.inception_v3 import module_8, module_17, reduction_17, reduction_35
from inception_jax.models.layers import BatchNormSpec
from inception_jax.models.network import Architecture, Variant
from inception_jax.models.table import Inception, Row, avg_pool, conv, inception, max_pool


@dataclass(frozen=True)
class Options:
    """Choices that the paper leaves open.

    Attributes:
      bn_scale: batch norm has a gamma.
      bn_decay: of the running statistics.
      modules_17: 5 modules at 17x17 as table 1 says, or the 4 of the released Inception-v3.
      factorized_7x7: three 3x3 convolutions at the start, as in table 1, or the 7x7 that they replace.
      heads: the auxiliary classifier on the last 17x17 module.
      bn_auxiliary: batch norm on the fully connected layer of that classifier, the last row of table 3.
    """

    bn_scale: bool = True
    bn_decay: float = 0.9997
    modules_17: int = 5
    factorized_7x7: bool = True
    heads: bool = True
    bn_auxiliary: bool = True


VARIANTS = {
    "table1": Variant(
        Options(),
        "Table 1: three 3x3 convolutions at the start, five modules at 17x17, and the batch-normalised auxiliary "
        "classifier of table 3's last row. Five such modules have 25.95 M parameters, over the paper's own 25 M.",
    ),
    "four_modules": Variant(
        Options(modules_17=4), "The same with four modules at 17x17, as the released Inception-v3 has."
    ),
    "table3_baseline": Variant(
        Options(factorized_7x7=False, bn_auxiliary=False),
        "The first row of table 3: one 7x7 at the start, no batch norm on the auxiliary classifier's fully connected "
        "layer. The rows below it turn on one option each, or change the training recipe.",
    ),
}


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
    opening: list[Row] = [("conv1", conv(64, 7, 2, "VALID"))]
    if options.factorized_7x7:
        opening = [
            ("conv1", conv(32, 3, 2, "VALID")),
            ("conv2", conv(32, 3, padding="VALID")),
            ("conv3", conv(64, 3)),
        ]
    rows: list[Row] = [
        *opening,
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
        heads=(inception_v3_head("aux", names[-1], norm_fc=options.bn_auxiliary),) if options.heads else (),
        dropout=0.2,
        norm=BatchNormSpec(scale=options.bn_scale, decay=options.bn_decay),
        input_size=299,
        published={"total": {"ops": "4.8 G" if options.factorized_7x7 else "3.8 G"}},
    )
