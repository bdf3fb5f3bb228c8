from pathlib import Path

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


def test_the_uniform_average_is_the_mean_of_all_updates_from_its_start():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 5))
    config = Average(name="uniform", start_step=7)
    average = {"kernel": jnp.zeros(5)}
    for n, value in enumerate(values):
        average = move(average, {"kernel": jnp.array(value, jnp.float32)}, n, config)
        expected = values[7 : n + 1].mean(axis=0) if n > 7 else value
        np.testing.assert_allclose(average["kernel"], expected, rtol=1e-5, atol=1e-6)


def test_the_average_is_that_of_tensorflow_itself():
    with np.load(Path(__file__).parents[1] / "goldens" / "tensorflow.npz") as golden:
        average = {"kernel": jnp.array(golden["start"])}
        for n, (value, expected) in enumerate(zip(golden["gradients"], golden["average"], strict=True)):
            average = move(average, {"kernel": jnp.array(value)}, n, Average(decay=0.7))
            np.testing.assert_allclose(average["kernel"], expected, rtol=1e-5, atol=1e-6)
