"""Section `augment`: regularisers that came after the papers, off unless an experiment turns them on."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.config.fields import number


@dataclass(frozen=True)
class Augment:
    """Changes to training images beyond crops, flips and colours; no row of a paper has any."""

    mixup: float = number(0.0, 0.0, 100.0, "mixup: alpha of Beta(alpha, alpha), from which shares are drawn; 0: off")
    cutmix: float = number(0.0, 0.0, 100.0, "CutMix: alpha; with mixup too, each image has one of both; 0: off")
    erasing: float = number(0.0, 0.0, 1.0, "random erasing: share of images with a rectangle of noise")
    randaugment: int = number(0, 0, 100, "RandAugment: operations on each image (the paper's N); 0: off")
    magnitude: float = number(9.0, 0.0, 10.0, "RandAugment: strength of an operation (the paper's M, of 10)")
