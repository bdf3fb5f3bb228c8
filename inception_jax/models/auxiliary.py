"""Auxiliary classifiers: side branches that are trained and then thrown away."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.models.table import WHOLE_MAP, AdaptiveAvgPool, Row, avg_pool, conv


@dataclass(frozen=True)
class AuxiliaryHead:
    """A classifier on the output of row `after`: its own rows, dropout, then a linear layer.

    Windows of its rows that exceed a small map are cut to it (`table.cut_to_map`).
    """

    name: str
    after: str
    rows: tuple[Row, ...]
    dropout: float = 0.0
    logits_stddev: float = 0.01


def googlenet_head(
    name: str, after: str, *, adaptive: bool = False, norm_fc: bool = False, dropout: float = 0.7
) -> AuxiliaryHead:
    """Section 5 of arXiv 1409.4842: average pool 5x5/3, 1x1 to 128, fully connected 1024.

    Args:
      name: of the head's parameters.
      after: the row it taps.
      adaptive: torchvision's pool to 4x4, whatever the map.
      norm_fc: batch norm on the fully connected layer too, as Caffe's BN-Inception.
      dropout: share dropped before the head's classifier.
    """
    rows: tuple[Row, ...] = (
        ("pool", AdaptiveAvgPool(4) if adaptive else avg_pool(5, 3, "VALID")),
        ("conv", conv(128)),
        ("fc", conv(1024, WHOLE_MAP, padding="VALID", norm=norm_fc)),
    )
    return AuxiliaryHead(name, after, rows, dropout)


def inception_v3_head(name: str, after: str, *, norm_fc: bool = True) -> AuxiliaryHead:
    """Figure 8 of arXiv 1512.00567 as released: the 5x5 convolution is the fully connected layer.

    With `norm_fc` it is batch-normalised: the "BN-auxiliary" of table 3.
    """
    rows: tuple[Row, ...] = (
        ("pool", avg_pool(5, 3, "VALID")),
        ("conv1", conv(128)),
        ("conv2", conv(768, 5, padding="VALID", norm=norm_fc, stddev=0.01)),
    )
    return AuxiliaryHead(name, after, rows, logits_stddev=0.001)
