"""Section `evaluation`: exact validation and the test-time protocols."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.config.fields import choice, number, value


@dataclass(frozen=True)
class Evaluation:
    """Exact validation, while training and after; what a protocol is stands in docs/evaluation.md."""

    every_epochs: float = number(1.0, 0.0, 1e6, "0: only at the end", neutral=True)
    batch_size: int = number(0, 0, 2**20, "views computed together, global; 0: the training batch", neutral=True)
    protocol: str = choice(
        "single", ("single", "10", "12", "144"), "views of an image: one central crop, or a paper's many", neutral=True
    )
    exclude: str = value(
        "",
        "a file of images that are left out, one a line: file names, or numbers of ILSVRC2012's validation set, such "
        "as the blacklist of its development kit; empty: none",
        neutral=True,
    )
    average: str = choice(
        "probabilities", ("probabilities", "logits", "max"), "what is averaged over views, or the largest", neutral=True
    )
    scales: str = value(
        "ratios",
        "shorter sides, in pixels, to which an image is resized, smallest first: `ratios` (256, 288, 320, 352 for "
        "224, in proportion), `soeaver` (320, 352, 384, 416 for 299) or numbers, `342,384,427,470`. 144 takes all "
        "four, 10 and 12 the first of a named choice or the one number",
        neutral=True,
    )
    square: str = choice(
        "centre", ("centre", "warp"), "10 and 12: the centre of the image, or all of it, its aspect lost", neutral=True
    )
