"""Several networks as one: their answers to the same images averaged (Going Deeper with Convolutions, section 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from inception_jax.data.sources import DataError
from inception_jax.evaluation.predictions import Predictions

AVERAGES = ("probabilities", "logits", "max")
_ROWS = 1024  # at once: bounds the memory of a sort over classes


class Hits(NamedTuple):
    """Of how many `images` the label stands first, or among the first five."""

    images: int
    top1: int
    top5: int


def hits(predictions: Predictions) -> Hits:
    """Exact counts; with fewer than five classes all that can be read are among the first five."""
    ranks, limit = predictions.ranks, min(5, len(predictions.class_names))
    return Hits(len(ranks), int((ranks < 1).sum()), int((ranks < limit).sum()))


def growing(members: Iterable[tuple[str, Callable[[], Predictions]]], average: str) -> Iterator[Predictions]:
    """The first member, the first two as one, the first three, and so on; one member is in memory at a time.

    Args:
      members: the name of each and what reads its predictions, all of the same images in the same order.
      average: `probabilities`, their mean, which the papers use; `logits`, the mean of their logarithms (the softmax of
        mean logits); or `max`, the largest of each class, divided by their sum.

    Raises:
      DataError: two members have other classes, other images, or the same in another order; both are named.
      ValueError: an unknown average.
    """
    first, first_name, total = None, "", np.zeros(0)
    for count, (name, read) in enumerate(members, 1):
        own = read()
        # The smallest normal number in place of zeros, which have no logarithm.
        terms = own.probabilities.astype(np.float64)
        if average == "logits":
            terms = np.log(np.maximum(terms, np.finfo(np.float32).tiny))
        if first is None:
            first, first_name, total = own, name, terms
            yield own
            continue
        require_same(first_name, first, name, own)
        match average:
            case "probabilities" | "logits":
                total += terms
            case "max":
                np.maximum(total, terms, out=total)
            case _:
                raise ValueError(f"average must be one of {', '.join(AVERAGES)}, got {average!r}")
        scores = total if average == "max" else total / count
        yield _as_one(first, scores, average)


def _as_one(images: Predictions, scores: np.ndarray, average: str) -> Predictions:
    if average == "logits":
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    return Predictions(
        images=images.images,
        labels=images.labels,
        ranks=ranks(scores, images.labels, images.valid),
        probabilities=probabilities.astype(np.float32),
        class_names=images.class_names,
        valid=images.valid,
    )


def ranks(scores: np.ndarray, labels: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """How many classes stand before the label, of several valid ones the likeliest, int32 [N].

    Equal scores stand in the order of the classes. A row with a score that is not a number, or with the label -1,
    has the rank K.

    Args:
      scores: float [N, K].
      labels: int32 [N].
      valid: bool [N, K] or None.
    """
    classes = scores.shape[1]
    found = np.full(len(labels), classes, np.int32)
    for start in range(0, len(labels), _ROWS):
        rows = slice(start, start + _ROWS)
        right = np.arange(classes) == labels[rows, None] if valid is None else valid[rows]
        order = np.argsort(-scores[rows], axis=1, kind="stable")
        hit = np.take_along_axis(right, order, axis=1)
        known = hit.any(axis=1) & ~np.isnan(scores[rows]).any(axis=1)
        found[rows] = np.where(known, hit.argmax(axis=1), classes)
    return found


def require_same(name: str, one: Predictions, other_name: str, other: Predictions) -> None:
    """Checks that two predictions can be averaged.

    Raises:
      DataError: naming both, and the first difference.
    """
    require_same_classes(name, one.class_names, other_name, other.class_names)
    if len(one.images) != len(other.images):
        raise DataError(
            f"{name} has {len(one.images)} images and {other_name} {len(other.images)}: members must answer to the same"
        )
    if different := np.flatnonzero(one.images != other.images).tolist():
        place = different[0]
        raise DataError(
            f"image {place} of {name} is {one.images[place]} and of {other_name} {other.images[place]}: members must "
            "answer to the same images in the same order"
        )
    if different := np.flatnonzero(one.labels != other.labels).tolist():
        place = different[0]
        raise DataError(
            f"{one.images[place]} has the label {one.labels[place]} in {name} and {other.labels[place]} in {other_name}"
        )


def require_same_classes(name: str, one: Sequence[str], other_name: str, other: Sequence[str]) -> None:
    """Checks that two members say the same with each number.

    Raises:
      DataError: naming both, and the first difference.
    """
    if len(one) != len(other):
        raise DataError(f"{name} has {len(one)} classes and {other_name} {len(other)}: they cannot be averaged")
    for label, (mine, theirs) in enumerate(zip(one, other, strict=True)):
        if mine != theirs:
            raise DataError(
                f"class {label} is {mine!r} in {name} and {theirs!r} in {other_name}: they cannot be averaged"
            )
