import dataclasses

import numpy as np
import pytest

from inception_jax.config import Augment, Config, Data
from inception_jax.data.pipeline import train_iterator
from inception_jax.data.randaugment import OPERATIONS, randaugment
from inception_jax.data.sources import open_source

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 32, 3), np.uint8)


def applied(name, strength, pixels=PIXELS):
    from PIL import Image

    return np.asarray(OPERATIONS[name](Image.fromarray(pixels), strength))


def blend(other, factor):
    """What Pillow's enhancers do: away from, or towards, a degenerate image."""
    return np.clip(other + factor * (PIXELS.astype(np.float64) - other), 0, 255)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("autocontrast", "equalize", "solarize")])
def test_no_strength_changes_nothing(name):
    np.testing.assert_array_equal(applied(name, 0.0), PIXELS)


@pytest.mark.parametrize("strength", [-1.0, -0.5, 0.5, 1.0])
def test_operations_on_values_are_their_formulas(strength):
    size, factor = abs(strength), 1 + 0.9 * strength
    np.testing.assert_allclose(applied("brightness", strength), blend(0.0, factor), atol=1)
    grey = PIXELS @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(applied("color", strength), blend(grey[..., None], factor), atol=2)
    np.testing.assert_allclose(applied("contrast", strength), blend(grey.mean(), factor), atol=2)
    keep = 0xFF << round(4 * size) & 0xFF
    np.testing.assert_array_equal(applied("posterize", strength), PIXELS & keep)
    limit = round(256 * (1 - size))
    np.testing.assert_array_equal(applied("solarize", strength), np.where(limit > PIXELS, PIXELS, 255 - PIXELS))


def test_autocontrast_stretches_each_channel():
    narrow = (PIXELS // 4 + 50).astype(np.uint8)
    low, high = narrow.min((0, 1)).astype(float), narrow.max((0, 1))
    np.testing.assert_allclose(applied("autocontrast", 0.5, narrow), (narrow - low) * 255 / (high - low), atol=1)


def test_equalize_levels_the_histogram():
    dark = (PIXELS.astype(float) ** 2 / 255).astype(np.uint8)
    for channel, found in enumerate(np.moveaxis(applied("equalize", 0.5, dark), -1, 0)):
        counts = np.bincount(dark[..., channel].ravel(), minlength=256)
        below = np.cumsum(counts) - counts
        step = (counts.sum() - counts[dark[..., channel].max()]) // 255
        levels = ((step // 2 + below) // step).clip(max=255)
        np.testing.assert_array_equal(found, levels[dark[..., channel]])


def test_shifts_move_pixels_and_fill_with_grey():
    shift = 150 / 331
    moved = applied("translate_x", 16 / 32 / shift)
    np.testing.assert_array_equal(moved[:, :15], PIXELS[:, 16:31])
    assert (moved[:, 17:] == 128).all()
    moved = applied("translate_y", -12 / 24 / shift)
    np.testing.assert_array_equal(moved[13:], PIXELS[1:12])
    assert (moved[:11] == 128).all()


def test_a_shear_moves_rows_in_proportion():
    line = np.zeros((21, 41, 3), np.uint8)
    line[:, 20] = 255
    sheared = applied("shear_x", 1.0, line)[:, :25, 0].astype(float)  # beyond that the fill comes in
    centres = (sheared * np.arange(25)).sum(1) / sheared.sum(1)
    np.testing.assert_allclose(np.diff(centres), -0.3, atol=0.02)


def test_a_rotation_turns_by_thirty_degrees_at_most():
    line = np.zeros((41, 41, 3), np.uint8)
    line[20] = 255
    rotated = applied("rotate", 1.0, line)[..., 0] > 100
    rows, columns = np.nonzero(rotated & (applied("rotate", 1.0, line)[..., 0] != 128))
    slope = np.polyfit(columns, rows, 1)[0]
    assert np.degrees(np.arctan(slope)) == pytest.approx(-30, abs=2)


def test_the_generator_decides_alone():
    first, again, other = (randaugment(PIXELS, 3, 9.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.shape == PIXELS.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(randaugment(PIXELS, 0, 9.0, np.random.default_rng(1)), PIXELS)


def test_the_pipeline_applies_it_where_it_is_on():
    config = Config(batch_size=16, data=Data(source="digits", image_size=16))
    digits = open_source("digits", "train")
    plain = next(train_iterator(digits, config))
    changed = next(train_iterator(digits, dataclasses.replace(config, augment=Augment(randaugment=2))))
    np.testing.assert_array_equal(plain["label"], changed["label"])
    different = (plain["image"] != changed["image"]).any(axis=(1, 2, 3))
    assert different.sum() > 8
