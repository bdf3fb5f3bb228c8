"""How much frozen features tell of the classes: a linear probe and nearest neighbours."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from inception_jax.errors import UserError
from inception_jax.evaluation.metrics import wilson

STRENGTHS = tuple(10.0**power for power in range(-4, 3))
"""Values of C, the inverse strength of L2, among which a linear probe chooses."""

TEMPERATURE = 0.07
ITERATIONS = 1000


class ProbeError(UserError, ValueError):
    """Features that cannot be probed."""


def linear(
    features: np.ndarray, labels: np.ndarray, test: np.ndarray, strength: float | None = None
) -> tuple[np.ndarray, float]:
    """Multinomial logistic regression on standardised features; warns if it does not converge.

    Args:
      features: float32 [N, C] of the training images.
      labels: int32 [N], all of 0 to K - 1.
      test: float32 [M, C].
      strength: C, the inverse strength of L2; None: the one of `STRENGTHS` with the highest accuracy on a fifth of
        the training images, held out class by class, the strongest L2 of equals. All images are then fitted again.

    Returns:
      Scores float64 [M, K], and C.

    Raises:
      ProbeError: one class only, or a class of one image where C is to be chosen.
    """
    counts = np.bincount(labels)
    if len(counts) < 2:
        raise ProbeError("a linear probe needs training images of two classes at least")
    if strength is None:
        if counts.min() < 2:
            raise ProbeError("a class has one training image only, so that none can be held out: give C")
        strength = _chosen(features, labels, len(counts))
    scores = _fitted(strength, features, labels).decision_function(test)
    return (np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores), strength


def _chosen(features: np.ndarray, labels: np.ndarray, classes: int) -> float:
    from sklearn.model_selection import train_test_split  # slow to import, and needed by this command only

    held = max(len(labels) // 5, classes)
    parts: Any = train_test_split(features, labels, test_size=held, random_state=0, stratify=labels)
    x, held_x, y, held_y = parts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last fit, on all images, says whether it converges
        return max(STRENGTHS, key=lambda strength: _fitted(strength, x, y).score(held_x, held_y))


def _fitted(strength: float, features: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression: Any = LogisticRegression(C=strength, max_iter=ITERATIONS)
    model = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    if max(regression.n_iter_) >= ITERATIONS:
        warnings.warn(f"the linear probe with C = {strength:g} did not converge in {ITERATIONS} steps", stacklevel=2)
    return model


def nearest(features: np.ndarray, labels: np.ndarray, test: np.ndarray, neighbours: int) -> np.ndarray:
    """Votes of the nearest training images by cosine similarity s, each with the weight exp(s / 0.07).

    The weights are those of Wu et al. (2018), Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination, section 3.4.

    Args:
      features: float32 [N, C] of the training images.
      labels: int32 [N], all of 0 to K - 1.
      test: float32 [M, C].
      neighbours: k, at most N.

    Returns:
      Scores float64 [M, K], -inf for a class without a vote.

    Raises:
      ProbeError: more neighbours than images.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if neighbours > len(features):
        raise ProbeError(f"{neighbours} neighbours are more than the {len(features)} training images")

    def weights(distances: np.ndarray) -> np.ndarray:
        return np.exp((1 - distances) / TEMPERATURE)

    options: Any = {"metric": "cosine", "weights": weights}
    votes = KNeighborsClassifier(neighbours, **options).fit(features, labels).predict_proba(test)
    return np.where(votes > 0, votes, -np.inf)


def accuracies(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """`top1` and `top5` as fractions, each with the ends `_low` and `_high` of its 95 % interval.

    Equal scores are ordered by class. A label that is outside of the classes, or whose score is -inf, is missed.

    Args:
      scores: float64 [M, K].
      labels: int32 [M], -1 for a class that has no column.
    """
    own = np.take_along_axis(scores, np.maximum(labels, 0)[:, None], axis=1)
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None]))
    answered = (labels >= 0) & np.isfinite(own[:, 0])
    ranks = np.where(answered, before.sum(axis=1), scores.shape[1])
    found = {}
    for name, limit in (("top1", 1), ("top5", 5)):
        hits, images = int((ranks < min(limit, scores.shape[1])).sum()), len(labels)
        low, high = wilson(images - hits, images)
        found |= {name: hits / images, f"{name}_low": 1 - high, f"{name}_high": 1 - low}
    return found
