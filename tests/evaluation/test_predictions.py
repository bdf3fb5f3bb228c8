"""Predictions of single images: everything printed can be recomputed from the files."""

import dataclasses
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_jax.data.decode import DecodeError
from inception_jax.data.records import DataError, Record, Source
from inception_jax.evaluation.evaluator import Answers
from inception_jax.evaluation.predictions import Collector, Predictions, load_predictions

NAMES = tuple("abcdefg")


def source_of(labels) -> Source:
    pixel = np.zeros((1, 1, 3), np.uint8)
    return Source(NAMES, range(len(labels)), lambda i: Record(pixel, int(labels[i]), f"image {i}"))


def ranks_of(probabilities, labels) -> np.ndarray:
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return np.argmax(order == np.asarray(labels)[:, None], axis=1).astype(np.int32)


def collect(probabilities, labels, ranks=None, cuts=()) -> Predictions:
    """The answers to all images, in batches that end at `cuts`."""
    labels, probabilities = np.asarray(labels, np.int32), np.asarray(probabilities, np.float32)
    ranks = ranks_of(probabilities, labels) if ranks is None else np.asarray(ranks, np.int32)
    collector = Collector(source_of(labels))
    for rows in np.split(np.arange(len(labels)), sorted(cuts)):
        collector.add(Answers(rows, labels[rows], ranks[rows], probabilities[rows]))
    return collector.result()


def draw(seed: int, images: int):
    rng = np.random.default_rng(seed)
    scores = rng.integers(1, 5, (images, len(NAMES))).astype(np.float32)  # many ties
    return scores / scores.sum(axis=1, keepdims=True), rng.integers(0, len(NAMES), images)


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 30), cut=st.integers(0, 30))
@settings(max_examples=30)
def test_rows_give_back_the_errors_however_the_batches_fell(seed, images, cut):
    probabilities, labels = draw(seed, images)
    predictions = collect(probabilities, labels, cuts=[min(cut, images)])
    rows, ranks = predictions.rows(), ranks_of(probabilities, labels)
    assert [row["image"] for row in rows] == [f"image {i}" for i in range(images)]
    assert [row["label"] for row in rows] == labels.tolist()
    assert [row["rank"] > 1 for row in rows] == [row["class_1"] != row["label"] for row in rows]
    top5 = [[row[f"class_{place}"] for place in range(1, 6)] for row in rows]
    assert [row["label"] not in top for row, top in zip(rows, top5, strict=True)] == (ranks >= 5).tolist()
    assert [row["rank"] > 5 for row in rows] == (ranks >= 5).tolist()
    for row, top, own in zip(rows, top5, probabilities, strict=True):
        found = [row[f"probability_{place}"] for place in range(1, 6)]
        assert found == own[top].tolist() == sorted(found, reverse=True)
        assert min(found) >= np.delete(own, top).max()
        assert (row["label_name"], row["class_1_name"]) == (NAMES[row["label"]], NAMES[top[0]])
        assert set(row) == set(predictions.columns())


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 30))
@settings(max_examples=30)
def test_classes_and_confusions_add_up_to_the_whole(seed, images):
    probabilities, labels = draw(seed, images)
    predictions = collect(probabilities, labels)
    ranks, classes, pairs = ranks_of(probabilities, labels), predictions.per_class(), predictions.confusions()
    assert [row["name"] for row in classes] == list(NAMES)
    assert sum(row["images"] for row in classes) == images
    for limit, name in ((1, "top1"), (5, "top5")):
        assert sum(row["images"] * row[name] for row in classes if row["images"]) == pytest.approx(
            (ranks < limit).sum()
        )
    assert sum(row["images"] for row in pairs) == (ranks > 0).sum()
    assert [row["images"] for row in pairs] == sorted((row["images"] for row in pairs), reverse=True)
    matrix = np.zeros((len(NAMES), len(NAMES)), int)
    np.add.at(matrix, (labels, probabilities.argmax(axis=1)), 1)
    np.fill_diagonal(matrix, 0)
    assert {(row["label"], row["predicted"]): row["images"] for row in pairs} == {
        (int(i), int(j)): int(matrix[i, j]) for i, j in np.argwhere(matrix)
    }
    for row in pairs:
        assert row["share"] == row["images"] / (labels == row["label"]).sum()


def test_a_class_without_images_has_no_shares():
    [first, second, *_] = collect([[0.9] + [0.01] * 6], [0]).per_class()
    assert first == {"label": 0, "name": "a", "images": 1, "top1": 1.0, "top5": 1.0}
    assert second == {"label": 1, "name": "b", "images": 0}


def test_an_answer_that_is_not_a_number_names_no_class_and_is_wrong():
    probabilities = np.array([[np.nan] * 7, [0.9] + [0.01] * 6])
    predictions = collect(probabilities, [0, 0], ranks=[6, 0])
    first, second = predictions.rows()
    assert first == {"image": "image 0", "label": 0, "rank": 7, "label_name": "a"}
    assert second["class_1"] == 0
    assert predictions.per_class()[0]["top1"] == 0.5
    assert predictions.confusions() == []


def test_the_archive_holds_all_probabilities_in_order():
    probabilities, labels = draw(0, 9)
    file = io.BytesIO()
    collect(probabilities, labels, cuts=[2, 6]).save(file, {"protocol": "144", "views": 144})
    file.seek(0)
    found = np.load(file)  # refuses pickles
    np.testing.assert_array_equal(found["probabilities"], probabilities)
    assert found["probabilities"].dtype == np.float32
    np.testing.assert_array_equal(found["labels"], labels)
    assert found["images"].tolist() == [f"image {i}" for i in range(9)]
    assert tuple(found["class_names"]) == NAMES
    assert json.loads(str(found["about"])) == {"protocol": "144", "views": 144}


def real_labels() -> Source:
    """Three images of several valid labels, of which the second has none."""
    pixel, valid = np.zeros((1, 1, 3), np.uint8), [(2, 4), (), (0,)]
    return Source(NAMES, range(3), lambda i: Record(pixel, 1, f"image {i}", valid[i]), several=True)


def test_any_valid_label_is_right_and_an_image_without_one_is_left_out():
    collector = Collector(real_labels())
    probabilities = np.array([[0, 0, 0.1, 0.1, 0.7, 0.1, 0], [0.1, 0.8, 0.1, 0, 0, 0, 0]], np.float32)
    collector.add(Answers(np.array([0, 2]), np.array([1, 1]), np.array([0, 1]), probabilities))
    predictions = collector.result()
    first, second = predictions.rows()
    assert (first["image"], first["valid_labels"], first["class_1"], first["rank"]) == ("image 0", "2 4", 4, 1)
    assert (second["image"], second["valid_labels"], second["class_1"], second["rank"]) == ("image 2", "0", 1, 2)
    assert list(first) != predictions.columns()
    assert set(first) == set(predictions.columns())
    # By the original label, of which both images are; that of the second was not even valid.
    assert predictions.per_class()[1] == {"label": 1, "name": "b", "images": 2, "top1": 0.5, "top5": 1.0}
    assert [(pair["label"], pair["predicted"], pair["images"]) for pair in predictions.confusions()] == [(1, 1, 1)]


def test_a_record_that_is_gone_keeps_its_place():
    def read(i):
        if i == 1:
            raise DecodeError("fruits train[1]: damaged record")
        return Record(np.zeros((1, 1, 3), np.uint8), i, f"image {i}")

    collector = Collector(Source(NAMES, range(3), read))
    probabilities = np.full((3, 7), 1 / 7, np.float32)
    probabilities[1] = np.nan
    collector.add(Answers(np.arange(3), np.array([0, -1, 2]), np.array([0, 7, 2]), probabilities))
    predictions = collector.result()
    assert predictions.rows()[1] == {"image": "fruits train[1]", "label": -1, "rank": 8}
    assert sum(row["images"] for row in predictions.per_class()) == 2


@given(seed=st.integers(0, 2**32 - 1), several=st.booleans())
@settings(max_examples=10)
def test_a_file_gives_back_what_was_written(seed, several, tmp_path_factory):
    probabilities, labels = draw(seed, 5)
    written = collect(probabilities, labels)
    valid = np.random.default_rng(seed).random((5, len(NAMES))) < 0.3 if several else None
    written = dataclasses.replace(written, valid=valid)
    path = tmp_path_factory.mktemp("predictions") / "p.npz"
    with path.open("wb") as file:
        written.save(file, {"step": 3})
    read, about = load_predictions(path)
    assert about == {"step": 3}
    assert read.class_names == NAMES
    for name in ("images", "labels", "ranks", "probabilities", "valid"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_a_file_of_something_else_is_named(tmp_path):
    path = tmp_path / "p.npz"
    with pytest.raises(DataError, match=r"p\.npz: no such file"):
        load_predictions(path)
    path.write_bytes(b"not an archive")
    with pytest.raises(DataError, match=r"p\.npz is damaged or no file of predictions"):
        load_predictions(path)
    np.savez(path, features=np.zeros(3))
    with pytest.raises(DataError, match=r"p\.npz is no file of predictions: about is not a file in"):
        load_predictions(path)
    broken = dataclasses.replace(collect(*draw(0, 4)), class_names=NAMES[:3])
    with path.open("wb") as file:
        broken.save(file, {})
    with pytest.raises(DataError, match=r"p\.npz is damaged: probabilities of the shape \(4, 7\) for 4 images and 3"):
        load_predictions(path)
