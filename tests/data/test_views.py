"""What the host sends for several views: geometry against plain NumPy, and batches of it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inception_jax.config import Config, Data, Evaluation
from inception_jax.data import crops, decode
from inception_jax.data.pipeline import eval_iterator
from inception_jax.data.records import Record, Source
from tests import slow_views

SIZE = 16
SCALES = (18, 21, 23, 25)  # 16 / 224 of the paper's
SHAPES = {"landscape": (40, 61), "portrait": (61, 40), "square": (48, 48), "tiny": (5, 3), "a pixel": (1, 1)}


def config_of(protocol="144", **evaluation) -> Config:
    return Config(data=Data(image_size=SIZE), evaluation=Evaluation(protocol=protocol, **evaluation))


def views_of(protocol="144", **evaluation) -> crops.Views:
    views = crops.views_of(config_of(protocol, **evaluation))
    assert views is not None
    return views


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise, in which a shift by one pixel shows everywhere."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for the rounding of OpenCV's fixed-point weights."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("protocol", "count"), [("10", 10), ("12", 12), ("144", 144)])
def test_a_protocol_has_as_many_views_as_its_name_says(protocol, count):
    views = views_of(protocol)
    assert views.count == count
    assert views.count == len(views.scales) * views.squares * views.per_square
    assert len(slow_views.views(picture(30, 40), protocol, SIZE, views.scales)) == count


def test_a_single_view_is_no_protocol_of_several():
    assert crops.views_of(config_of("single")) is None


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("protocol", ["10", "12", "144"])
def test_squares_are_those_of_the_paper(protocol, shape):
    image, views = picture(*shape), views_of(protocol)
    sent = views.cut(image, "bilinear")
    positions = ("first", "centre", "last") if protocol == "144" else ("centre",)
    wholes = []
    for i, scale in enumerate(SCALES if protocol == "144" else SCALES[:1]):
        found = sent.pop(f"squares_{i}")
        assert_close(found, np.stack(slow_views.squares(image, scale, positions)))
        wholes += [slow_views.bilinear(square, SIZE, SIZE) for square in found]
    if protocol != "10":
        assert_close(sent.pop("whole"), np.stack(wholes))
    assert not sent


def test_an_image_that_is_enlarged_equals_pillows():
    # Enlarging needs no antialiasing, which Pillow's bilinear has and OpenCV's has not.
    image = picture(9, 17)
    enlarged = Image.fromarray(image).resize((round(17 * 25 / 9), 25), Image.Resampling.BILINEAR)
    left, _, right = views_of().cut(image, "bilinear")["squares_3"].astype(int)
    assert np.abs(left - np.asarray(enlarged)[:, :25]).max() <= 2
    assert np.abs(right - np.asarray(enlarged)[:, -25:]).max() <= 2


def test_a_square_image_gives_three_equal_squares():
    squares = views_of().cut(picture(30, 30), "area")["squares_2"]
    np.testing.assert_array_equal(squares, np.stack([squares[0]] * 3))


@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 99))
def test_turning_an_image_over_its_diagonal_turns_its_squares(height, width, seed):
    image, views = picture(height, width, seed), views_of()
    sent, turned = views.cut(image, "nearest"), views.cut(np.ascontiguousarray(image.swapaxes(0, 1)), "nearest")
    for name, values in sent.items():
        np.testing.assert_array_equal(turned[name].swapaxes(1, 2), values)


def test_a_warped_square_is_the_whole_image():
    image, views = picture(40, 61), views_of("12", square="warp")
    sent = views.cut(image, "bilinear")
    assert_close(sent["squares_0"], slow_views.bilinear(image, 18, 18)[None])
    assert_close(sent["whole"], slow_views.bilinear(sent["squares_0"][0], SIZE, SIZE)[None])


def test_random_interpolation_means_bilinear():
    image, views = picture(40, 61), views_of()
    sent, expected = views.cut(image, "random"), views.cut(image, "bilinear")
    for name, values in expected.items():
        np.testing.assert_array_equal(sent[name], values)


def test_an_image_that_would_fill_the_memory_is_refused():
    thread = np.zeros((1, 2**22, 3), np.uint8)
    with pytest.raises(crops.TooLong, match=r"^4194304 x 1 pixels become 75497472 x 18 when .* more than the 67108864"):
        views_of().cut(thread, "nearest")


def jpeg(index: int) -> bytes:
    smooth = slow_views.bilinear(picture(4, 5, index), 96, 120)
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def source_of(*images) -> Source:
    return Source(("a", "b", "c"), range(len(images)), lambda i: Record(images[i], i % 3, f"record {i}"))


@pytest.mark.parametrize("protocol", ["12", "144"])
def test_batches_hold_the_squares_of_every_image_once(protocol):
    images = [picture(20 + i, 33 - i, i) for i in range(5)]
    config, views = config_of(protocol), views_of(protocol)
    batches = list(eval_iterator(source_of(*images), config, batch_size=2))
    assert len(batches) == 3
    joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    assert "image" not in joined
    np.testing.assert_array_equal(joined["mask"], [True] * 5 + [False])
    np.testing.assert_array_equal(joined["label"], [0, 1, 2, 0, 1, 0])
    for i, image in enumerate(images):
        for name, values in views.cut(image, "bilinear").items():
            np.testing.assert_array_equal(joined[name][i], values)
    for name in views.cut(images[0], "bilinear"):
        assert not joined[name][5].any()


def test_a_jpeg_is_decoded_no_smaller_than_the_largest_scale():
    batch = next(eval_iterator(source_of(jpeg(0)), config_of(), batch_size=1))
    scaled = decode.decode(jpeg(0), max(SCALES), max(SCALES))
    assert scaled.shape[:2] == (48, 60), "1/2 is the smallest of 1/8, 1/4 and 1/2 that has 25 rows"
    for name, values in views_of().cut(scaled, "bilinear").items():
        np.testing.assert_array_equal(batch[name][0], values)


@pytest.mark.parametrize("bad", [b"no image", np.zeros((2**22, 1, 3), np.uint8)], ids=["unreadable", "too long"])
def test_an_image_without_views_is_named_and_keeps_its_place(bad, caplog):
    [batch] = eval_iterator(source_of(picture(9, 9), bad), config_of(), batch_size=2)
    np.testing.assert_array_equal(batch["label"], [0, -1])
    np.testing.assert_array_equal(batch["mask"], [True, True])
    assert batch["squares_0"][0].any()
    assert not batch["squares_0"][1].any()
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("record 1: ")
