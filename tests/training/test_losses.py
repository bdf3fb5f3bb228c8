from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.config import Loss
from inception_jax.training.losses import classification_loss, smoothed_cross_entropy


def by_hand(logits, labels, smoothing):
    """(1 - e) H(one-hot, p) + e H(uniform, p), in float64."""
    log_p = logits.astype(np.float64) - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    return -(1 - smoothing) * log_p[np.arange(len(labels)), labels] - smoothing * log_p.mean(axis=1)


@given(st.integers(2, 20), st.floats(0, 0.99), st.integers(0, 2**32 - 1))
def test_smoothing_mixes_the_label_with_the_uniform_distribution(classes, smoothing, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(6, classes)).astype(np.float32) * 3
    labels = rng.integers(0, classes, 6).astype(np.int32)
    found = smoothed_cross_entropy(jnp.array(logits), jnp.array(labels), smoothing)
    np.testing.assert_allclose(found, by_hand(logits, labels, smoothing), rtol=2e-5, atol=1e-6)


def test_auxiliary_losses_are_smoothed_and_weighted():
    rng = np.random.default_rng(0)
    main, first, second = rng.normal(size=(3, 5, 7)).astype(np.float32)
    labels = np.arange(5)
    output = SimpleNamespace(logits=jnp.array(main), aux_logits=(jnp.array(first), jnp.array(second)))
    found = classification_loss(output, jnp.array(labels), Loss(label_smoothing=0.1, aux_weight=0.4))
    expected = by_hand(main, labels, 0.1) + 0.4 * (by_hand(first, labels, 0.1) + by_hand(second, labels, 0.1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_bfloat16_logits_lose_nothing_more_than_their_own_rounding():
    logits = jnp.array([[1.0, 2.0, 3.0]], jnp.bfloat16)
    found = smoothed_cross_entropy(logits, jnp.array([0]), 0.0)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, by_hand(np.array([[1.0, 2.0, 3.0]]), [0], 0.0), rtol=1e-6)
