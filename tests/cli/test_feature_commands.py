"""`features`, `probe` and `fid` as a user runs them, and `predict` with everything that it takes."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.linalg import sqrtm
from sklearn.neighbors import KNeighborsClassifier

from inception_jax.cli.main import main
from inception_jax.evaluation import feature_files
from inception_jax.weights.checkpoint import Meta, save_checkpoint, sha256_of
from inception_jax.weights.preprocessing import Preprocessing
from tests.fake_network import FakeNetwork

SIZE = 8
CLASSES = ("red", "green", "blue")


pytestmark = pytest.mark.usefixtures("fake_networks")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    variables = FakeNetwork(3, aux=False).init(jax.random.key(0), jnp.zeros((1, SIZE, SIZE, 3)))
    pixels = Preprocessing(SIZE, "facenet", mean=(100.0, 110.0, 120.0))
    meta = Meta("inception_v3", "slim", 3, False, pixels, class_names=CLASSES, source="slim/inception_v3")
    save_checkpoint(path, jax.tree.map(np.asarray, variables), meta)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two splits of noisy pictures whose colour is their class."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split, count in (("train", 10), ("test", 4)):
        for channel, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 100, (SIZE, SIZE, 3))
                pixels[..., channel] += 120
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root


def output(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr()


def fails(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


@pytest.fixture(scope="module")
def features(weights, folders, tmp_path_factory):
    """Features of both splits, by split; one file of each kind."""
    folder = tmp_path_factory.mktemp("features")
    paths = {"train": folder / "train.npz", "test": folder / "test.parquet"}
    for split, path in paths.items():
        assert main(["features", f"--weights={weights}", f"--out={path}", str(folders / split)]) == 0
    return paths


def test_predict_takes_patterns_and_several_views(weights, folders, capsys):
    pattern = f"{folders}/test/*/0.png"
    printed = output(capsys, "predict", "--weights", weights, pattern, "--top=2", "--crops=10", "--json")
    rows = json.loads(printed.out)
    assert [row["image"] for row in rows[::2]] == [f"{folders}/test/{name}/0.png" for name in sorted(CLASSES)]
    assert {row["class"] for row in rows} <= set(CLASSES)
    assert "3 images in" in printed.err
    assert "views/s" in printed.err
    single = output(capsys, "predict", "--weights", weights, pattern, "--top=2", "--format=csv").out
    probabilities = [float(row["probability"]) for row in csv.DictReader(io.StringIO(single))]
    assert probabilities != [row["probability"] for row in rows]


def test_predict_gives_numbers_to_classes_without_names(weights, folders, capsys, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights.read_bytes())
    described = json.loads(weights.with_suffix(".json").read_text()) | {"class_names": []}
    path.with_suffix(".json").write_text(json.dumps(described))
    named, numbered = (
        json.loads(output(capsys, "predict", "--weights", which, folders / "test", "--json").out)
        for which in (weights, path)
    )
    assert [CLASSES[int(row["class"])] for row in numbered] == [row["class"] for row in named]


def test_features_say_what_they_are(features, weights, folders):
    for split, path in features.items():
        content = feature_files.load(path)
        assert content.labels is not None
        assert content.features.shape == (30 if split == "train" else 12, 8)
        names = [content.class_names[label] for label in content.labels]
        assert [f"/{split}/{name}/" in image for name, image in zip(names, content.images, strict=True)]
        assert content.about["sha256"] == sha256_of(weights)
        assert content.about["source"] == "slim/inception_v3"
        assert content.about["preprocessing"]["mean"] == [100, 110, 120]
        assert content.about["endpoint"] == "features"
    assert feature_files.load(features["train"]).about == feature_files.load(features["test"]).about


def test_spatial_features_of_a_data_set(weights, capsys, tmp_path):
    path = tmp_path / "f.npz"
    flags = ["--data=digits", "--split=test[:5]", "--endpoint=conv", "--spatial"]
    printed = output(capsys, "features", "--weights", weights, *flags, "--out", path).out
    assert printed == f"{path}: 5 images, 10 classes, 4 x 4 x 8 numbers each, conv\n"
    assert feature_files.load(path).images.tolist() == [f"digits[{i}]" for i in (4, 9, 14, 19, 24)]


def test_images_that_cannot_be_read_are_left_out_and_the_code_says_so(weights, folders, capsys, tmp_path, caplog):
    image = folders / "test/red/0.png"
    bad, path = tmp_path / "bad.png", tmp_path / "f.npz"
    bad.write_bytes(image.read_bytes()[:50])
    assert main(["features", f"--weights={weights}", f"--out={path}", str(bad), str(image)]) == 2
    assert "1 of 2 images could not be read" in capsys.readouterr().err
    assert "bad.png" in caplog.text
    assert feature_files.load(path).images.tolist() == [str(image)]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--endpoint=mixed_6"], "has no endpoint 'mixed_6'"),
        (["--out={folder}/f.txt"], "the name must end in .npz or .parquet"),
        (["--out={folder}/mine.npz"], "is there already and is not overwritten"),
        (["--data=digits"], "name either image files and folders, or a data set"),
        (["{folder}/nothing"], "holds no image"),
    ],
)
def test_features_that_cannot_be_made_leave_nothing(weights, folders, capsys, tmp_path, flags, words):
    (tmp_path / "mine.npz").write_text("mine")
    (tmp_path / "nothing").mkdir()
    flags = [flag.format(folder=tmp_path) for flag in flags]
    arguments = [f"--out={tmp_path / 'f.npz'}", str(folders / "test"), *flags]
    assert words in fails(capsys, "features", "--weights", weights, *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.npz", "nothing"]


def test_a_probe_is_read_from_the_files(features, capsys):
    files = [f"--{split}={path}" for split, path in features.items()]
    [linear] = json.loads(output(capsys, "probe", *files, "--format=json").out)
    assert linear["top1"] > 0.9, "colours are told apart by almost any feature"
    assert (linear["method"], linear["classes"], linear["train_images"], linear["test_images"]) == ("linear", 3, 30, 12)
    [nearest] = json.loads(output(capsys, "probe", *files, "--method=knn", "--k=1", "--format=json").out)
    train, test = (feature_files.load(path) for path in features.values())
    model = KNeighborsClassifier(1, metric="cosine").fit(train.features, train.labels)
    assert nearest["top1"] == model.score(test.features, test.labels)
    assert nearest["top1_low"] < nearest["top1"] <= nearest["top1_high"] <= 1
    table = output(capsys, "probe", *files, "--c=0.1").out
    assert "top-1 (95 %)" in table
    assert " to " in table


def spoilt(paths, folder, changes):
    path, content = folder / "spoilt.npz", feature_files.load(paths["test"])
    about = {**content.about, **changes.get("about", {})}
    feature_files.save(path, replace(content, **{**changes, "about": about}))
    return path


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        ({"labels": None, "class_names": ()}, [], "spoilt.npz has no labels"),
        ({"features": np.zeros((12, 2, 2, 3), np.float32)}, [], "spoilt.npz holds spatial features"),
        ({"about": {"endpoint": "conv"}}, [], "are features of different things: endpoint is 'features' and 'conv'"),
        ({}, ["--method=knn", "--k=31"], "31 neighbours are more than the 30 training images"),
    ],
)
def test_features_that_do_not_belong_together_are_not_probed(features, capsys, tmp_path, changes, flags, words):
    path = spoilt(features, tmp_path, changes)
    assert words in fails(capsys, "probe", f"--train={features['train']}", f"--test={path}", *flags)


def test_weights_may_have_moved(features, capsys, tmp_path):
    path = spoilt(features, tmp_path, {"about": {"weights": "elsewhere/w.safetensors"}})
    [row] = json.loads(output(capsys, "probe", f"--train={features['train']}", f"--test={path}", "--format=json").out)
    assert row["test_images"] == 12


def test_a_class_that_was_never_trained_on_counts_as_missed(features, capsys, tmp_path):
    path = spoilt(features, tmp_path, {"class_names": ("blue", "green", "violet")})
    [row] = json.loads(output(capsys, "probe", f"--train={features['train']}", f"--test={path}", "--format=json").out)
    assert row["top1"] <= 2 / 3


@pytest.mark.filterwarnings("always")
def test_the_distance_is_that_of_the_features(weights, folders, features, capsys):
    pair = [folders / split for split in ("train", "test")]
    printed = output(capsys, "fid", *pair, "--weights", weights, "--format=json")
    [row] = json.loads(printed.out)
    train, test = (feature_files.load(path).features.astype(np.float64) for path in features.values())
    s, t = np.cov(train, rowvar=False), np.cov(test, rowvar=False)
    root: Any = sqrtm(s @ t)
    expected = ((train.mean(0) - test.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root.real)
    assert row["fid"] == pytest.approx(expected, rel=1e-5)
    assert (row["images_1"], row["images_2"], row["dimensions"]) == (30, 12, 8)
    assert (row["network"], row["variant"], row["source"]) == ("inception_v3", "slim", "slim/inception_v3")
    assert row["sha256"] == sha256_of(weights)
    assert "12 images are few" in printed.err
    [other] = json.loads(output(capsys, "fid", *pair, "--weights", weights, "--endpoint=conv", "--format=json").out)
    assert other["fid"] == pytest.approx(row["fid"], rel=1e-5), "its map's average is this network's last"


@pytest.mark.filterwarnings("always")
def test_a_person_reads_which_model_it_was(weights, folders, capsys):
    printed = output(capsys, "fid", folders / "test", folders / "test/red", "--weights", weights)
    assert "slim/inception_v3" in printed.out
    assert "Published FIDs use TensorFlow's graph of 2015-12-05" in printed.out
    assert "4 images span no covariance of 8 numbers" in printed.err
    [row] = json.loads(output(capsys, "fid", *[folders / "test"] * 2, "--weights", weights, "--format=json").out)
    assert row["fid"] < 1e-6


def test_a_distance_that_cannot_be_computed(weights, folders, capsys, tmp_path):
    image = folders / "test/red/0.png"
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.png").write_bytes(image.read_bytes())
    command = ["fid", "--weights", weights, folders / "test"]
    assert "holds one image; a covariance needs two" in fails(capsys, *command, tmp_path / "one")
    (tmp_path / "one/b.png").write_bytes(image.read_bytes()[:50])
    assert "one: 1 images cannot be read; mend or remove them" in fails(capsys, *command, tmp_path / "one")
    assert "has no endpoint 'pool3'" in fails(capsys, *command, folders / "train", "--endpoint=pool3")
