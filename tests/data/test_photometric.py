import colorsys
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_jax.data import photometric

MODES = ["none", "fast", "full"]
# TF-slim's orders (inception_preprocessing.distort_color), by color_ordering.
ORDERS = {"full": ["BSHC", "SBCH", "CHBS", "HSCB"], "fast": ["BS", "SB", "SB", "SB"]}

TO_ONE = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}  # from -1
augment = jax.jit(functools.partial(photometric.augment, **TO_ONE), static_argnames=("flip", "distortion"))
normalise = jax.jit(functools.partial(photometric.normalise, **TO_ONE))


def images(count: int, height: int = 8, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def seeds(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


def by_pixel(image: np.ndarray, change) -> np.ndarray:
    """Applies `change(hue, saturation, value)` to each pixel, by the standard library's colour conversion."""
    return np.array([[colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in row] for row in image])


def distort(image: np.ndarray, order: str, draw: dict[str, float]) -> np.ndarray:
    """Distorts one image as TF-slim does, step by step, in float64 from values in [0, 1]."""
    for step in order:
        if step == "B":
            image = image + draw["brightness"]
        elif step == "S":
            # TensorFlow calls a pixel grey where brightness has taken all of it below 0.
            image = by_pixel(image, lambda h, s, v: (h, min(s * draw["saturation"], 1) if v > 0 else 0, v))
        elif step == "H":
            image = by_pixel(image, lambda h, s, v: ((h + draw["hue"]) % 1, s, v))
        else:
            mean = image.mean(axis=(0, 1))
            image = (image - mean) * draw["contrast"] + mean
    return np.clip(image, 0, 1) * 2 - 1


def test_normalise():
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    result = normalise(values)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, (values / 255 - 0.5) * 2, atol=2e-7)
    assert (result[0] == -1).all()
    assert (result[255] == 1).all()


def test_normalise_takes_each_colour_by_its_own_numbers():
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    expected = (values.astype(np.float64) - mean) / std
    np.testing.assert_allclose(jax.jit(lambda x: photometric.normalise(x, mean, std))(values), expected, atol=1e-6)
    distorted = augment(images(4), seeds(4), flip=False, distortion="full")
    other = photometric.augment(
        jnp.asarray(images(4)), jnp.asarray(seeds(4)), flip=False, distortion="full", mean=mean, std=std
    )
    np.testing.assert_allclose(np.asarray(other) * std + mean, np.asarray(distorted) * 127.5 + 127.5, atol=1e-3)


@pytest.mark.parametrize("distortion", MODES)
@pytest.mark.parametrize("flip", [False, True])
def test_result_is_float32_in_range(flip, distortion):
    result = augment(images(64), seeds(64), flip=flip, distortion=distortion)
    assert result.dtype == jnp.float32
    assert result.shape == (64, 8, 6, 3)
    assert result.min() >= -1
    assert result.max() <= 1


def test_without_flip_and_distortion_it_is_normalise():
    np.testing.assert_array_equal(augment(images(4), seeds(4), flip=False, distortion="none"), normalise(images(4)))


def test_flip_mirrors_half_of_the_images():
    batch, mirrored = images(400), images(400)[:, :, ::-1]
    result = np.asarray(augment(batch, seeds(400), flip=True, distortion="none"))
    kept = (result == np.asarray(normalise(batch))).all(axis=(1, 2, 3))
    flipped = (result == np.asarray(normalise(mirrored))).all(axis=(1, 2, 3))
    assert (kept ^ flipped).all()
    assert 150 <= flipped.sum() <= 250, "five standard deviations"


@pytest.mark.parametrize("distortion", MODES)
@given(permutation=st.permutations(range(9)))
@settings(max_examples=10)
def test_an_image_depends_on_its_own_seed_alone(distortion, permutation):
    batch, drawn = images(9, 16, 13), seeds(9)
    result = np.asarray(augment(batch, drawn, flip=True, distortion=distortion))
    order = np.array(permutation)
    np.testing.assert_array_equal(augment(batch[order], drawn[order], flip=True, distortion=distortion), result[order])


def test_draws_cover_their_ranges_evenly():
    draw = photometric.draw(jnp.asarray(seeds(4000)))
    for values, low, high in (
        (draw.brightness, -32 / 255, 32 / 255),
        (draw.saturation, 0.5, 1.5),
        (draw.hue, -0.2, 0.2),
        (draw.contrast, 0.5, 1.5),
    ):
        place = (np.asarray(values) - low) / (high - low)
        assert place.min() >= -1e-6
        assert place.max() <= 1 + 1e-6
        # 400 are expected in each tenth, with a standard deviation of 19.
        assert np.abs(np.histogram(place, 10, (0, 1))[0] - 400).max() < 5 * 19
    assert set(np.unique(draw.order)) == {0, 1, 2, 3}
    # 1000 are expected, with a standard deviation of 27.
    assert np.abs(np.bincount(draw.order) - 1000).max() < 5 * 27


def test_seeds_that_differ_by_one_are_unrelated():
    draw = photometric.draw(jnp.arange(2000, dtype=jnp.uint32))
    for values in (draw.brightness, draw.hue):
        values = np.asarray(values)
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 5 / np.sqrt(2000)
    assert abs(np.corrcoef(draw.brightness, draw.saturation)[0, 1]) < 5 / np.sqrt(2000)


@pytest.mark.parametrize("distortion", ["fast", "full"])
def test_distortions_are_tf_slims(distortion):
    batch = images(40, 5, 4)
    batch[:, :2] //= 16  # nearly black
    drawn = seeds(40)
    draw = photometric.draw(jnp.asarray(drawn))
    result = np.asarray(augment(batch, drawn, flip=False, distortion=distortion))
    tested = set()
    for index in range(40):
        one = {name: float(values[index]) for name, values in draw._asdict().items()}
        order = ORDERS[distortion][int(one["order"])]
        expected = distort(batch[index] / 255, order, one)
        np.testing.assert_allclose(result[index], expected, atol=1e-5, err_msg=order)
        tested.add(order)
    assert len(tested) == (4 if distortion == "full" else 2)


def test_values_are_clipped_at_the_end():
    white_and_black = np.concatenate([np.zeros((64, 4, 4, 3), np.uint8), np.full((64, 4, 4, 3), 255, np.uint8)])
    result = np.asarray(augment(white_and_black, seeds(128), flip=False, distortion="fast"))
    shift = np.asarray(photometric.draw(jnp.asarray(seeds(128))).brightness)[:, None, None, None]
    expected = np.clip(white_and_black / 255 + shift, 0, 1) * 2 - 1
    np.testing.assert_allclose(result, np.broadcast_to(expected, result.shape), atol=1e-5)


def test_an_unknown_distortion():
    with pytest.raises(ValueError, match="must be none, fast or full, got 'slow'"):
        augment(jnp.asarray(images(1)), jnp.asarray(seeds(1)), flip=False, distortion="slow")
