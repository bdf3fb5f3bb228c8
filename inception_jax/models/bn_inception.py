"""BN-Inception: Batch Normalization, arXiv 1502.03167, appendix. TF-slim calls it `inception_v2`.

The appendix's table does not add up: 4c and 4d print 576 channels where their branches sum to 608. The
paper variant builds the branches as printed; slim narrows two projections so that 576 holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.models.layers import BatchNormSpec
from inception_jax.models.network import Architecture
from inception_jax.models.table import Inception, Pool, Row, avg_pool, conv, inception, max_pool


@dataclass(frozen=True)
class Options:
    """Choices that differ between the paper and slim.

    Attributes:
      projection_4c_4d: channels behind the pools of 4c and 4d: 128 as printed, 96 in slim.
      bn_scale: batch norm has a gamma.
      norm_conv1: batch norm behind the separable first convolution; slim has a bias there instead.
      dropout: share dropped before the classifier.
    """

    projection_4c_4d: int = 128
    bn_scale: bool = True
    norm_conv1: bool = True
    dropout: float = 0.4


VARIANTS = {
    "paper": Options(),
    "slim": Options(projection_4c_4d=96, bn_scale=False, norm_conv1=False, dropout=0.2),
}


def module(c1: int, reduce3: int, c3: int, reduce33: int, c33: int, pool: Pool, project: int) -> Inception:
    """GoogLeNet's module with the 5x5 as two 3x3, in the order of the table's columns."""
    return inception(
        [conv(c1)],
        [conv(reduce3), conv(c3, 3)],
        [conv(reduce33), conv(c33, 3), conv(c33, 3)],
        [pool, conv(project)],
    )


def reduction(reduce3: int, c3: int, reduce33: int, c33: int) -> Inception:
    """3c and 4e: stride 2 in the convolutions, and a pool that keeps its channels."""
    return inception(
        [conv(reduce3), conv(c3, 3, 2)],
        [conv(reduce33), conv(c33, 3), conv(c33, 3, 2)],
        [max_pool(3, 2)],
    )


def build(options: Options) -> Architecture:
    """The appendix's figure 5."""
    avg, p = avg_pool(3), options.projection_4c_4d
    rows: tuple[Row, ...] = (
        ("conv1", conv(64, 7, 2, multiplier=8, norm=options.norm_conv1)),
        ("pool1", max_pool(3, 2)),
        ("conv2_reduce", conv(64)),
        ("conv2", conv(192, 3)),
        ("pool2", max_pool(3, 2)),
        ("inception_3a", module(64, 64, 64, 64, 96, avg, 32)),
        ("inception_3b", module(64, 64, 96, 64, 96, avg, 64)),
        ("inception_3c", reduction(128, 160, 64, 96)),
        ("inception_4a", module(224, 64, 96, 96, 128, avg, 128)),
        ("inception_4b", module(192, 96, 128, 96, 128, avg, 128)),
        ("inception_4c", module(160, 128, 160, 128, 160, avg, p)),
        ("inception_4d", module(96, 128, 192, 160, 192, avg, p)),
        ("inception_4e", reduction(128, 192, 192, 256)),
        ("inception_5a", module(352, 192, 320, 160, 224, avg, 128)),
        ("inception_5b", module(352, 192, 320, 192, 224, max_pool(3), 128)),
    )
    return Architecture(
        rows,
        heads=(),
        dropout=options.dropout,
        norm=BatchNormSpec(scale=options.bn_scale),
        input_size=224,
        published={"total": {"params": "13.6 M", "ops": "2.0 G (Rethinking, table 3)"}},
    )
