import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inception_jax.reporting.reproduction.statistics import difference, estimate

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=8).filter(lambda v: np.std(v) > 1e-3)


@given(VALUES)
def test_a_mean_has_students_interval(values):
    found = estimate(values)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-6, atol=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1))


@given(VALUES, VALUES)
def test_a_difference_has_welchs_interval(first, second):
    found = difference(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-6, atol=1e-9)
    assert found.mean == pytest.approx(np.mean(first) - np.mean(second), abs=1e-9)


def test_one_value_has_no_interval():
    for found in (estimate([3.0]), difference([3.0], [1.0, 2.0])):
        assert not found.known
        assert found.deviation is None
        assert (found.low, found.high) == (-math.inf, math.inf)
    assert difference([3.0, 3.0], [1.0, 1.0])[:4] == (2.0, 0.0, 2.0, 2.0)
