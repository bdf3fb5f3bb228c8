import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from inception_jax.data import crops

SIDES = st.integers(1, 700)
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(height=SIDES, width=SIDES, seed=st.integers(0, 2**32 - 1))
def test_a_random_box_lies_in_the_image(height, width, seed):
    box = crops.random_box(height, width, np.random.default_rng(seed), AREA, ASPECT)
    assert box.top >= 0
    assert box.left >= 0
    assert box.height >= 1
    assert box.width >= 1
    assert box.top + box.height <= height
    assert box.left + box.width <= width


@given(
    height=st.integers(50, 700),
    ratio=st.floats(0.8, 1.25),
    seed=st.integers(0, 2**32 - 1),
    low=st.floats(0.05, 0.9),
    span=st.floats(0, 1),
    stretch=st.floats(1, 2),
)
def test_area_and_aspect_are_in_range(height, ratio, seed, low, span, stretch):
    width = round(height * ratio)
    area, aspect = (low, low + span * (1 - low)), (1 / stretch, stretch)
    box = crops.random_box(height, width, np.random.default_rng(seed), area, aspect)
    # Each side is rounded to a pixel, half a pixel at most.
    assert (box.width - 0.5) / (box.height + 0.5) <= aspect[1]
    assert (box.width + 0.5) / (box.height - 0.5) >= aspect[0]
    fallback = box.height == height or box.width == width
    if not fallback:
        assert (box.width - 0.5) * (box.height - 0.5) <= area[1] * height * width
        assert (box.width + 0.5) * (box.height + 0.5) >= area[0] * height * width


def test_area_is_uniform_and_a_ratio_as_likely_as_its_inverse():
    rng = np.random.default_rng(0)
    # Up to half of the area every aspect fits into a square: no draw is refused.
    boxes = [crops.random_box(10_000, 10_000, rng, (0.1, 0.5), (0.5, 2.0)) for _ in range(2000)]
    areas = [box.height * box.width / 1e8 for box in boxes]
    logs = [np.log2(box.width / box.height) for box in boxes]
    tops = [box.top / (10_000 - box.height) for box in boxes]
    for sample, low, high in ((areas, 0.1, 0.5), (logs, -1, 1), (tops, 0, 1)):
        assert stats.kstest(sample, "uniform", args=(low, high - low)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((100, 10), crops.Box(43, 0, 13, 10)), ((10, 100), crops.Box(0, 43, 10, 13)), ((9, 9), crops.Box(0, 0, 9, 9))],
)
def test_where_nothing_fits_the_centre_is_taken(shape, expected):
    # An area above the image's: every attempt fails.
    height, width = shape
    assert crops.random_box(height, width, np.random.default_rng(0), (1.5, 2.0), ASPECT) == expected


@given(data=st.data(), old=st.tuples(SIDES, SIDES), eighths=st.integers(1, 8))
def test_a_scaled_box_is_the_same_part(data, old, eighths):
    box = crops.random_box(old[0], old[1], np.random.default_rng(data.draw(st.integers(0, 999))), AREA, ASPECT)
    new = tuple(-(-side * eighths // 8) for side in old)
    scaled = box.scaled(old, (new[0], new[1]))
    for start, length, first, count, before, after in zip(
        box[:2], box[2:], scaled[:2], scaled[2:], old, new, strict=True
    ):
        assert first >= 0
        assert count >= 1
        assert first + count <= after
        assert abs(first - start * after / before) <= 1
        assert abs(first + count - (start + length) * after / before) <= 1
    if eighths == 8:
        assert scaled == box


def test_a_box_cuts_rows_and_columns():
    image = picture(20, 30)
    np.testing.assert_array_equal(crops.Box(2, 3, 4, 5).cut(image), image[2:6, 3:8])


@given(height=st.integers(1, 40), width=st.integers(1, 40), shift=st.floats(0, 0.5), seed=st.integers(0, 999))
def test_a_shift_is_a_window_of_the_padded_image(height, width, shift, seed):
    image = np.maximum(picture(height, width), 1)
    shifted = crops.random_shift(image, shift, np.random.default_rng(seed))
    assert shifted.shape == image.shape
    rows, columns = round(shift * height), round(shift * width)
    padded = np.pad(image, ((rows, rows), (columns, columns), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, image.shape)
    assert (windows == shifted).all(axis=(-3, -2, -1)).any()


def test_every_shift_occurs():
    image = np.full((8, 8, 3), 9, np.uint8)
    rng = np.random.default_rng(0)
    seen = {tuple((crops.random_shift(image, 0.125, rng)[..., 0] > 0).ravel()) for _ in range(200)}
    assert len(seen) == 9


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


def test_a_random_interpolation_is_one_of_four_alike():
    rng = np.random.default_rng(0)
    drawn = [crops.pick_interpolation("random", rng) for _ in range(2000)]
    methods, counts = np.unique(drawn, return_counts=True)
    assert set(methods) == {"bilinear", "area", "nearest", "bicubic"}
    assert stats.chisquare(counts).pvalue > 1e-3
    assert crops.pick_interpolation("area", rng) == "area"


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
