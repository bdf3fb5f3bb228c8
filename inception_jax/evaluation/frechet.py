"""Frechet Inception Distance (Heusel et al., GANs Trained by a Two Time-Scale Update Rule, section 3), in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ROWS = 4096


class Gaussian(NamedTuple):
    """Mean [C] and covariance [C, C] of features, float64, and how many images they are of."""

    mean: np.ndarray
    covariance: np.ndarray
    images: int


def fit(features: np.ndarray) -> Gaussian:
    """The Gaussian of features [N, C], N at least 2; its covariance divides by N - 1, as `numpy.cov`.

    Raises:
      ValueError: fewer than two rows.
    """
    images, channels = features.shape
    if images < 2:
        raise ValueError(f"a covariance needs two images at least, got {images}")
    mean = features.mean(axis=0, dtype=np.float64)
    products = np.zeros((channels, channels))
    for start in range(0, images, _ROWS):  # a copy of all in float64 would double the memory
        centred = features[start : start + _ROWS] - mean
        products += centred.T @ centred
    return Gaussian(mean, products / (images - 1), images)


def distance(first: Gaussian, second: Gaussian) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), at least 0; equal whichever comes first.

    The trace of the root is the sum of the singular values of S1^(1/2) S2^(1/2), whose factors come from symmetric
    eigendecompositions: no root of a matrix that is not symmetric, no imaginary parts, and covariances may be
    singular.
    """
    difference = first.mean - second.mean
    roots = [_root(gaussian.covariance) for gaussian in (first, second)]
    overlap = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(0.0, float(difference @ difference + traces - 2 * overlap))


def _root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric root of a covariance; eigenvalues that rounding made negative are zero."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
