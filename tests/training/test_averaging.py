import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.config import Average
from inception_jax.training.averaging import decay_at, move


@given(st.floats(0.5, 0.9999), st.integers(0, 10**6))
def test_the_ramp_is_that_of_num_updates(decay, n):
    np.testing.assert_allclose(decay_at(n, Average(decay=decay)), min(decay, (1 + n) / (10 + n)), rtol=1e-6)
    np.testing.assert_allclose(decay_at(n, Average(decay=decay, ramp=False)), decay, rtol=1e-6)


def test_the_average_follows_its_recurrence():
    rng = np.random.default_rng(0)
    expected = rng.normal(size=5)
    average = {"kernel": jnp.array(expected, jnp.float32)}
    for n in range(30):
        value = rng.normal(size=5)
        average = move(average, {"kernel": jnp.array(value, jnp.float32)}, n, Average(decay=0.7))
        decay = min(0.7, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    np.testing.assert_allclose(average["kernel"], expected, rtol=1e-5, atol=1e-6)
