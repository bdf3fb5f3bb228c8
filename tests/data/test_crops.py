import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inception_jax.data import crops


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("method", ["bilinear", "area", "nearest", "bicubic"])
def test_resize_keeps_a_constant_and_the_right_size(method):
    image = np.full((17, 31, 3), (10, 120, 250), np.uint8)
    resized = crops.resize(image, 24, method)
    np.testing.assert_array_equal(resized, np.full((24, 24, 3), (10, 120, 250), np.uint8))
    same = crops.resize(picture(24, 24), 24, method)
    np.testing.assert_array_equal(same, picture(24, 24))


def test_resize_methods_equal_pillow_where_they_are_defined_alike():
    image = picture(32, 48)
    halves = image.reshape(16, 2, 16, 3, 3).mean(axis=(1, 3))
    assert np.abs(crops.resize(image, 16, "area") - halves).max() <= 0.5 + 1e-9
    # Enlarging needs no antialiasing, the only difference of the two libraries' bilinear; both round.
    enlarged = np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(crops.resize(image, 96, "bilinear") - enlarged).max() <= 2
    nearest = np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(crops.resize(image, 96, "nearest"), nearest)


@given(height=st.integers(1, 300), width=st.integers(1, 300), fraction=st.floats(0.01, 1))
def test_the_central_crop_is_tensorflows(height, width, fraction):
    # tf.image.central_crop: the offset is the integer part of (side - side * fraction) / 2.
    top, left = int((height - height * fraction) / 2), int((width - width * fraction) / 2)
    image = picture(height, width)
    expected = crops.resize(image[top : height - top, left : width - left], 16, "bilinear")
    np.testing.assert_array_equal(crops.central(image, 16, fraction, "bilinear"), expected)
    assert expected.shape == (16, 16, 3)


def test_the_central_crop_at_full_fraction_is_the_image():
    image = picture(32, 32)
    np.testing.assert_array_equal(crops.central(image, 32, 1.0, "bicubic"), image)
    np.testing.assert_array_equal(crops.central(image, 24, 0.75, "area"), image[4:28, 4:28])


def test_random_interpolation_means_bilinear_in_evaluation():
    image = picture(40, 50)
    np.testing.assert_array_equal(
        crops.central(image, 24, 0.875, "random"), crops.central(image, 24, 0.875, "bilinear")
    )
