import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inception_jax.evaluation.metrics import wilson


@given(st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_the_interval_is_scipys(counts, confidence):
    errors, images = counts
    expected = stats.binomtest(errors, images).proportion_ci(confidence, method="wilson")
    low, high = wilson(errors, images, confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= errors / images <= high <= 1


def test_fifty_thousand_images_leave_a_quarter_of_a_point():
    """6.67 % top-5 error, GoogLeNet's, is known to +-0.22 points from 50,000 images."""
    low, high = wilson(3335, 50_000)
    assert 100 * (high - low) / 2 == pytest.approx(100 * 1.96 * (0.0667 * 0.9333 / 50_000) ** 0.5, rel=1e-3)


def test_none_wrong_is_not_certainty():
    low, high = wilson(0, 100)
    assert low == 0
    assert high == pytest.approx(1.96**2 / (100 + 1.96**2), rel=1e-3)
