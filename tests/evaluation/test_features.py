"""Features of images: those of the network itself, in order, without what cannot be read; and their files."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from inception_jax.config import Config, Data, Evaluation
from inception_jax.data.files import find_images, source_of
from inception_jax.data.records import DataError
from inception_jax.data.sources import open_source
from inception_jax.distributed.mesh import make_mesh
from inception_jax.evaluation import feature_files
from inception_jax.evaluation.feature_files import FeatureFile
from inception_jax.evaluation.features import UnknownEndpoint, endpoints, extract
from inception_jax.new_file import OutputFileError
from tests.fake_network import FakeNetwork

SIZE = 8
CONFIG = Config(
    data=Data(image_size=SIZE, eval_crop=1.0, mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 70.0)),
    evaluation=Evaluation(batch_size=8, protocol="144"),
)


@pytest.fixture(scope="module")
def network():
    return FakeNetwork()


@pytest.fixture(scope="module")
def variables(network):
    variables = network.init(jax.random.key(0), jnp.zeros((1, SIZE, SIZE, 3)))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: x + rng.uniform(0, 0.2, x.shape).astype(np.float32), variables)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (11, SIZE, SIZE, 3), np.uint8)
    for number, own in enumerate(pixels):
        path = folder / f"class_{number % 3}" / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(own).save(path)
    return folder, pixels


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize(("endpoint", "spatial"), [("features", False), ("conv", False), ("conv", True)])
def test_features_are_the_networks_own(network, variables, images, devices, endpoint, spatial):
    folder, pixels = images
    source, done = source_of(find_images([str(folder)])), []
    mesh = make_mesh(jax.devices()[:devices])
    options = {"endpoint": endpoint, "spatial": spatial, "on_batch_done": done.append}
    found = extract(network, variables, source, CONFIG, mesh, **options)
    numbers = [int(source[i].name[-6:-4]) for i in range(11)]
    assert numbers == sorted(numbers, key=lambda number: (number % 3, number))
    x = (pixels[numbers].astype(np.float64) - CONFIG.data.mean) / CONFIG.data.std
    output = network.apply(variables, jnp.asarray(x, jnp.float32))
    expected = np.asarray(output.features if endpoint == "features" else output.endpoints["conv"])
    if endpoint == "conv" and not spatial:
        expected = expected.mean((1, 2))
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    assert found.labels is not None
    assert found.labels.tolist() == [number % 3 for number in numbers]
    assert found.class_names == ("class_0", "class_1", "class_2")
    assert found.positions.tolist() == list(range(11))
    assert done == [8, 3]


def test_what_cannot_be_read_is_left_out(network, variables, images, tmp_path, caplog):
    folder, _ = images
    good = sorted(folder.glob("*/*.png"))[:9]
    bad = tmp_path / "bad.png"
    bad.write_bytes(good[0].read_bytes()[:60])
    mesh = make_mesh(jax.devices()[:1])
    given = [good[0], bad, *good[1:8], tmp_path / "missing.png", good[8]]
    found = extract(network, variables, source_of(find_images(list(map(str, given)))), CONFIG, mesh)
    expected = extract(network, variables, source_of(find_images(list(map(str, good)))), CONFIG, mesh)
    assert found.positions.tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 10]
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.labels is None
    assert "bad.png: damaged" in caplog.text
    assert "missing.png: cannot be read" in caplog.text
    with pytest.raises(DataError, match="none of the 1 images can be read"):
        extract(network, variables, source_of(find_images([str(bad)])), CONFIG, mesh)


def test_a_data_set_has_its_own_labels(network, variables):
    mesh, source = make_mesh(jax.devices()[:1]), open_source("digits", "test[:20]")
    found = extract(network, variables, source, CONFIG, mesh, endpoint="logits")
    assert found.values.shape == (20, 10)
    assert found.labels is not None
    assert found.labels.tolist() == [source[i].label for i in range(20)]


def test_the_layers_that_there_are(network, variables):
    assert endpoints(network, variables, CONFIG) == {"conv": (4, 4, 8), "features": (8,), "logits": (10,)}
    without = network.clone(num_classes=0)
    assert "logits" not in endpoints(without, variables, CONFIG)


@pytest.mark.parametrize(
    ("endpoint", "spatial", "words"),
    [
        ("con", False, r"no endpoint 'con'; did you mean conv\? It has conv, features, logits"),
        ("mixed_6e", False, "no endpoint 'mixed_6e' It has"),
        ("features", True, "'features' is a vector already"),
    ],
)
def test_another_layer_is_refused_before_an_image_is_read(network, variables, endpoint, spatial, words):
    source = source_of(find_images(["missing.png"]))
    with pytest.raises(UnknownEndpoint, match=words):
        extract(network, variables, source, CONFIG, make_mesh(), endpoint=endpoint, spatial=spatial)


def content(shape=(5, 3), labelled=True):
    rng = np.random.default_rng(0)
    return FeatureFile(
        features=rng.normal(size=shape).astype(np.float32),
        images=np.array([f"bild {i} ä.png" for i in range(shape[0])]),
        labels=np.arange(shape[0], dtype=np.int32) % 2 if labelled else None,
        class_names=("cat", "näckrose") if labelled else (),
        about={"endpoint": "conv", "spatial": len(shape) == 4, "preprocessing": {"mean": [1.0, 2.0, 3.0]}},
    )


@pytest.mark.parametrize("suffix", feature_files.SUFFIXES)
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 3)])
def test_what_is_saved_is_loaded(tmp_path, suffix, labelled, shape):
    path, saved = tmp_path / f"f{suffix}", content(shape, labelled)
    feature_files.save(path, saved)
    loaded = feature_files.load(path)
    np.testing.assert_array_equal(loaded.features, saved.features)
    assert loaded.images.tolist() == saved.images.tolist()
    assert (loaded.labels is None) == (saved.labels is None)
    if saved.labels is not None:
        np.testing.assert_array_equal(loaded.labels, saved.labels)
    assert (loaded.class_names, loaded.about) == (saved.class_names, saved.about)
    with pytest.raises(OutputFileError, match="is there already"):
        feature_files.save(path, saved)


def test_others_read_the_files(tmp_path):
    saved = content()
    for suffix in feature_files.SUFFIXES:
        feature_files.save(tmp_path / f"f{suffix}", saved)
    with np.load(tmp_path / "f.npz", allow_pickle=False) as archive:
        assert archive["features"].shape == (5, 3)
        assert json.loads(str(archive["about"])) == saved.about
    rows = pyarrow.parquet.read_table(tmp_path / "f.parquet").to_pylist()
    assert [row["class"] for row in rows] == ["cat", "näckrose", "cat", "näckrose", "cat"]
    assert rows[3]["image"] == "bild 3 ä.png"
    np.testing.assert_array_equal(np.array([row["features"] for row in rows], np.float32), saved.features)


@pytest.mark.parametrize("suffix", feature_files.SUFFIXES)
def test_a_full_disk_leaves_nothing(tmp_path, suffix, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    with pytest.raises(OutputFileError, match="No space left"):
        feature_files.save(tmp_path / f"f{suffix}", content())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", feature_files.SUFFIXES)
def test_files_of_something_else_are_refused(tmp_path, suffix):
    path = tmp_path / f"f{suffix}"
    with pytest.raises(DataError, match="no such file"):
        feature_files.load(path)
    feature_files.save(path, content())
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged or no file of features"):
            feature_files.load(path)


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    saved = content()
    assert saved.labels is not None
    spoilt = {
        "a.npz": replace(saved, images=saved.images[:3]),
        "b.npz": replace(saved, labels=saved.labels + 1),
        "c.npz": replace(saved, features=saved.features.astype(np.float64)),
        "d.parquet": replace(saved, features=np.where(saved.features > 0, np.nan, saved.features)),
    }
    for name, each in spoilt.items():
        feature_files.save(tmp_path / name, each)
        with pytest.raises(DataError, match=rf"{name} (is damaged|holds features that are no finite numbers)"):
            feature_files.load(tmp_path / name)
    np.savez(tmp_path / "e.npz", features=saved.features)
    with pytest.raises(DataError, match=r"e\.npz is no file of features: it has no 'images'"):
        feature_files.load(tmp_path / "e.npz")
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), tmp_path / "e.parquet")
    with pytest.raises(DataError, match=r"e\.parquet is no file of features: it has no 'shape'"):
        feature_files.load(tmp_path / "e.parquet")
