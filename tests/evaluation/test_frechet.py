"""The Frechet distance against scipy's matrix square root and the formula of diagonal Gaussians, and its properties."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm

from inception_jax.evaluation.frechet import Gaussian, distance, fit


def samples(seed, images, channels):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(channels, channels)) / np.sqrt(channels)
    return (rng.normal(size=(images, channels)) @ mix + rng.normal(size=channels)).astype(np.float32)


def by_scipy(first, second):
    """The formula as it stands, with the principal root of a matrix that is not symmetric."""
    root: Any = sqrtm(first.covariance @ second.covariance)
    squared = ((first.mean - second.mean) ** 2).sum()
    return squared + np.trace(first.covariance + second.covariance - 2 * root.real)


@pytest.mark.parametrize("channels", [1, 2, 16, 64])
def test_it_is_the_distance_of_scipy(channels):
    first, second = (fit(samples(seed, 300, channels)) for seed in (0, 1))
    assert distance(first, second) == pytest.approx(by_scipy(first, second), rel=1e-9)


@pytest.mark.parametrize("images", [2, 100, 4095, 4096, 4097, 9000])
def test_the_fit_is_numpys(images):
    features = samples(3, images, 5) + 100  # a mean far from zero costs digits where squares are summed
    found = fit(features)
    assert found.images == images
    np.testing.assert_allclose(found.mean, features.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-9)


def test_one_image_has_no_covariance():
    with pytest.raises(ValueError, match="two images at least, got 1"):
        fit(np.zeros((1, 3), np.float32))


@given(
    arrays(np.float64, (2, 4), elements=st.floats(-10, 10)),
    arrays(np.float64, (2, 4), elements=st.floats(0, 10)),
)
def test_axis_aligned_gaussians_have_the_sum_of_their_axes(means, deviations):
    first, second = (Gaussian(m, np.diag(d**2), 10) for m, d in zip(means, deviations, strict=True))
    expected = ((means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2).sum()
    assert distance(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 40))
def test_it_is_symmetric_and_zero_to_itself_also_where_images_are_few(seed, images, others):
    first, second = fit(samples(seed, images, 12)), fit(samples(seed + 1, others, 12))
    size = np.trace(first.covariance) + np.trace(second.covariance)
    assert distance(first, second) == pytest.approx(distance(second, first), rel=1e-9, abs=1e-9 * size)
    assert distance(first, second) > 0
    assert 0 <= distance(first, first) <= 1e-6 * size


def test_a_turned_space_changes_nothing():
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))
    pair = [fit(samples(seed, 200, 8)) for seed in (5, 6)]
    turned = [Gaussian(g.mean @ turn, turn.T @ g.covariance @ turn, g.images) for g in pair]
    assert distance(*turned) == pytest.approx(distance(*pair), rel=1e-9)


def test_it_shrinks_towards_zero_as_samples_of_one_distribution_grow():
    rng = np.random.default_rng(0)
    found = [distance(*(fit(rng.normal(size=(images, 8))) for _ in range(2))) for images in (50, 500, 5000)]
    assert found[0] > 5 * found[1] > 25 * found[2]
