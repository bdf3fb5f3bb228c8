import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.data.box import Box

SIDES = st.integers(1, 700)


@st.composite
def boxes_in_images(draw: st.DrawFn) -> tuple[Box, tuple[int, int]]:
    height, width = draw(SIDES), draw(SIDES)
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    tall, wide = draw(st.integers(1, height - top)), draw(st.integers(1, width - left))
    return Box(top, left, tall, wide), (height, width)


@given(given_box=boxes_in_images(), eighths=st.integers(1, 8))
def test_a_scaled_box_is_the_same_part(given_box, eighths):
    box, old = given_box
    new = tuple(-(-side * eighths // 8) for side in old)
    scaled = box.scaled(old, (new[0], new[1]))
    for start, length, first, count, before, after in zip(
        box[:2], box[2:], scaled[:2], scaled[2:], old, new, strict=True
    ):
        assert first >= 0
        assert count >= 1
        assert first + count <= after
        if length * after >= before:  # a pixel or more
            assert abs(first - start * after / before) <= 0.5 + 1e-9
            assert abs(first + count - (start + length) * after / before) <= 0.5 + 1e-9
        else:
            assert count == 1
            assert abs(first - start * after / before) <= 1
    if eighths == 8:
        assert scaled == box


def test_a_box_cuts_rows_and_columns():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Box(2, 3, 4, 5).cut(image), image[2:6, 3:8])
