"""The images that each library makes for evaluation, against its own transforms: no value of a pixel differs.

But TF-slim's, which keeps fractions of a value: ours are those rounded, at most 0.5 away. Keras and OpenCV run here;
the others have left theirs in tests/goldens/resize (tests/goldens/make_resize.py).
"""

import dataclasses
import io
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inception_jax.config import Config, Data, resolve
from inception_jax.config.errors import ConfigError
from inception_jax.data.crops import TooLong
from inception_jax.data.decode import MAX_PIXELS
from inception_jax.data.eval_resize import evaluation_image
from inception_jax.data.photometric import normalise
from inception_jax.data.pipeline import eval_iterator
from inception_jax.data.records import Record, Source
from inception_jax.weights import preprocessing
from inception_jax.weights.catalogue import CATALOGUE
from inception_jax.weights.preprocessing import Preprocessing, as_data_fields, of_data, read
from tests import seeded

GOLDENS = Path(__file__).parents[1] / "goldens/resize"
# an entry of the catalogue whose images each file has
ENTRIES = {
    "torchvision_googlenet": "torchvision/googlenet",
    "torchvision_inception_v3": "torchvision/inception_v3",
    "timm_inception_v3.tv_in1k": "timm/inception_v3.tv_in1k",
    "timm_inception_v3.tf_in1k": "timm/inception_v3.tf_in1k",
    "timm_inception_v3.gluon_in1k": "timm/inception_v3.gluon_in1k",
    "timm_inception_v4.tf_in1k": "timm/inception_v4",
    "timm_inception_resnet_v2.tf_in1k": "timm/inception_resnet_v2.tf_in1k",
    "facenet-pytorch": "facenet-pytorch/inception_resnet_v1",
    "cadene": "cadene/bninception",
    "slim_224": "slim/inception_v1",
    "slim_299": "slim/inception_v4",
}
SHAPES = [(31, 47), (47, 31), (40, 40), (9, 14), (300, 33)]


def data_of(wanted: Preprocessing) -> Data:
    return resolve({"data": as_data_fields(wanted)}).data


def assert_golden(key: str, golden, found: np.ndarray) -> None:
    sample, crc = seeded.sample(found)
    expected = golden[f"{key}/sample"]
    if f"{key}/crc" in golden:
        np.testing.assert_array_equal(sample, expected, key)
        assert crc == golden[f"{key}/crc"], key
    else:  # fractions, which we round
        assert np.abs(sample - expected).max() < 0.501, key


@pytest.mark.parametrize("name", ENTRIES)
def test_an_image_is_what_the_library_makes_of_it(name):
    wanted = CATALOGUE[ENTRIES[name]].preprocessing
    with np.load(GOLDENS / f"{name}.npz") as golden:
        assert golden["size"] == wanted.size
        if not name.startswith("torchvision"):  # whose networks turn ImageNet's numbers into these
            np.testing.assert_allclose((wanted.mean, wanted.std), (golden["mean"], golden["std"]))
        made = sorted({key.split("/")[1] for key in golden if key.startswith("made/")})
        assert len(made) == 5
        for shape in made:
            pixels = seeded.pixels(*map(int, shape.split("x")))
            assert_golden(f"made/{shape}", golden, evaluation_image(pixels, data_of(wanted)))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_photograph_is_what_the_library_makes_of_it(name, shared_data):
    wanted = CATALOGUE[ENTRIES[name]].preprocessing
    with np.load(GOLDENS / f"{name}.npz") as golden:
        folders = sorted({key.split("/")[1] for key in golden if key.startswith("real/")})
        assert len(folders) == 6
        for folder in folders:
            jpeg = (shared_data / "imagenet_sample" / folder / f"{folder}_1.JPEG").read_bytes()
            assert_golden(f"real/{folder}", golden, read(jpeg, wanted))


def test_torchvision_networks_turn_imagenets_numbers_into_ours():
    with np.load(GOLDENS / "torchvision_inception_v3.npz") as golden:
        theirs = (np.arange(256)[:, None] - golden["mean"]) / golden["std"]
    # transform_input of its GoogLeNet and Inception-v3
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    wanted = CATALOGUE["torchvision/inception_v3"].preprocessing
    ours = normalise(np.arange(256, dtype=np.uint8)[:, None], wanted.mean, wanted.std)
    np.testing.assert_allclose(ours, theirs * (std / 0.5) + (mean - 0.5) / 0.5, atol=1e-6)


def jpegs(folder: Path | None) -> list[bytes]:
    """Small ones made here and, where there are any, ten photographs."""
    made = []
    for shape in SHAPES:
        file = io.BytesIO()
        Image.fromarray(seeded.pixels(*shape)).save(file, "JPEG", quality=90)
        made.append(file.getvalue())
    real = sorted((folder / "imagenet_sample").glob("*/*.JPEG"))[::25] if folder else []
    return made + [path.read_bytes() for path in real]


@pytest.fixture(params=["made", "real"])
def encoded(request) -> list[bytes]:
    return jpegs(request.getfixturevalue("shared_data") if request.param == "real" else None)


def test_keras_loads_and_scales_images_so(encoded, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    import keras

    wanted = CATALOGUE["keras/inception_v3"].preprocessing
    for jpeg in encoded:
        loaded = np.asarray(keras.utils.load_img(io.BytesIO(jpeg), target_size=(299, 299)))
        found = read(jpeg, wanted)
        np.testing.assert_array_equal(found, loaded)
        expected: Any = keras.applications.inception_v3.preprocess_input(loaded.astype(np.float32))
        np.testing.assert_allclose(normalise(found, wanted.mean, wanted.std), expected, atol=1e-6)


def test_caffe_stores_and_reads_images_so(encoded):
    """`convert_imageset --resize_width=256 --resize_height=256`, then the data layer of BVLC's GoogLeNet."""
    wanted = CATALOGUE["caffe/googlenet"].preprocessing
    for jpeg in encoded:
        bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        stored = cv2.resize(bgr, (256, 256))
        found = read(jpeg, wanted)
        np.testing.assert_array_equal(found, stored[16:240, 16:240, ::-1])
        blob = cv2.dnn.blobFromImage(stored[16:240, 16:240], mean=(104, 117, 123))
        ours = np.asarray(normalise(found, wanted.mean, wanted.std))
        np.testing.assert_allclose(ours[None, :, :, ::-1].transpose(0, 3, 1, 2), blob, atol=1e-4)


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    size=st.integers(1, 40),
    crop=st.sampled_from([0.5, 0.875, 1.0]),
    rules=st.sampled_from(["central", "slim", "torchvision", "timm", "keras", "caffe", "facenet"]),
)
@settings(max_examples=150)
def test_every_shape_becomes_a_square_and_one_colour_stays_itself(shape, size, crop, rules):
    pixels = np.full((*shape, 3), (3, 130, 251), np.uint8)
    found = evaluation_image(pixels, Data(image_size=size, eval_resize=rules, eval_crop=crop))
    assert found.shape == (size, size, 3)
    assert found.dtype == np.uint8
    assert (found == (3, 130, 251)).all()


@given(shape=st.tuples(st.integers(2, 40), st.integers(2, 40)), size=st.integers(2, 30))
@settings(max_examples=50)
def test_slim_against_plain_loops(shape, size):
    pixels = seeded.pixels(*shape)
    found = evaluation_image(pixels, Data(image_size=size, eval_resize="slim", eval_crop=1.0))
    for row in range(size):
        for column in range(size):
            y, x = row * shape[0] / size, column * shape[1] / size
            top, left = math.floor(y), math.floor(x)
            expected = sum(
                pixels[min(top + i, shape[0] - 1), min(left + j, shape[1] - 1)]
                * (abs(1 - i - (y - top)) * abs(1 - j - (x - left)))
                for i in (0, 1)
                for j in (0, 1)
            )
            assert np.abs(found[row, column] - expected).max() < 0.501


def test_a_strip_that_would_fill_the_memory_is_refused():
    with pytest.raises(TooLong, match=f"2 x 40000 pixels .* more than the {MAX_PIXELS}"):
        evaluation_image(np.zeros((40000, 2, 3), np.uint8), data_of(preprocessing.TORCHVISION_V3))


@pytest.mark.parametrize("name", sorted({entry.preprocessing.resize for entry in CATALOGUE.values()}))
def test_the_pipeline_evaluates_on_the_same_image(name):
    wanted = next(entry.preprocessing for entry in CATALOGUE.values() if entry.preprocessing.resize == name)
    jpeg = jpegs(None)[0]
    source = Source(("a", "b"), range(1), lambda index: Record(jpeg, 1, str(index)))
    config = Config(data=data_of(wanted))
    batch = next(eval_iterator(source, config, batch_size=1))
    np.testing.assert_array_equal(batch["image"][0], read(jpeg, wanted))


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_weights_expect_becomes_a_config_and_comes_back(name):
    wanted = CATALOGUE[name].preprocessing
    assert of_data(data_of(wanted)) == wanted


def test_our_own_rule_keeps_its_interpolation():
    wanted = Preprocessing(64, interpolation="area", crop=0.75)
    assert of_data(data_of(wanted)) == wanted
    assert data_of(wanted).interpolation == "area"


def test_unknown_rules_are_named():
    unknown = dataclasses.replace(preprocessing.SLIM, resize="slimm")
    with pytest.raises(ConfigError, match=r"eval_resize must be one of .* got 'slimm'"):
        read(jpegs(None)[0], unknown)
