"""Members averaged: against SciPy, image by image, and their refusals."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from inception_jax.data.sources import DataError
from inception_jax.evaluation.ensemble import growing, hits, ranks
from inception_jax.evaluation.predictions import Predictions
from inception_jax.evaluation.published import printed


def member(seed: int, images: int = 12, classes: int = 7, labels_seed: int = 0) -> Predictions:
    logits = 3 * np.random.default_rng(seed).normal(size=(images, classes))
    probabilities = special.softmax(logits, axis=1).astype(np.float32)
    labels = np.random.default_rng(labels_seed).integers(0, classes, images).astype(np.int32)
    return Predictions(
        images=np.array([f"image {i}" for i in range(images)]),
        labels=labels,
        ranks=slow_ranks(probabilities, labels),
        probabilities=probabilities,
        class_names=tuple("abcdefghijklm"[:classes]),
    )


def slow_ranks(scores, labels) -> np.ndarray:
    orders = [sorted(range(len(row)), key=lambda k: (-row[k], k)) for row in scores]
    return np.array([order.index(label) for order, label in zip(orders, labels, strict=True)], np.int32)


def slow_average(members: list[Predictions], average: str) -> np.ndarray:
    """[N, K], image by image."""
    found = []
    for rows in zip(*(each.probabilities.astype(np.float64) for each in members), strict=True):
        match average:
            case "probabilities":
                found.append(np.mean(rows, axis=0))
            case "logits":
                found.append(special.softmax(np.mean(np.log(rows), axis=0)))
            case "max":
                largest = np.max(rows, axis=0)
                found.append(largest / largest.sum())
    return np.array(found)


def grow(members: list[Predictions], average: str = "probabilities") -> list[Predictions]:
    return list(growing([(f"member {i}", lambda one=one: one) for i, one in enumerate(members)], average))


@pytest.mark.parametrize("average", ["probabilities", "logits", "max"])
@given(seed=st.integers(0, 2**31), count=st.integers(1, 4))
@settings(max_examples=15)
def test_every_size_is_the_average_of_its_members(average, seed, count):
    members = [member(seed + i) for i in range(count)]
    grown = grow(members, average)
    assert len(grown) == count
    assert grown[0] is members[0], "one member is as it was evaluated"
    for size, found in enumerate(grown[1:], 2):
        expected = slow_average(members[:size], average)
        np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)
        np.testing.assert_array_equal(found.ranks, slow_ranks(expected, members[0].labels))
        counted = hits(found)
        assert counted.images == 12
        assert counted.top1 == (expected.argmax(axis=1) == members[0].labels).sum()
        assert counted.top5 == (slow_ranks(expected, members[0].labels) < 5).sum()


def test_the_three_averages_can_disagree():
    """Two members lean to class 0, one is sure of class 1, class 2 is second everywhere."""
    rows = np.array([[0.6, 0.05, 0.35], [0.6, 0.05, 0.35], [0.02, 0.9, 0.08]], np.float32)
    members = [dataclasses.replace(member(0, 1, 3), probabilities=row[None]) for row in rows]
    answers = {
        average: int(grow(members, average)[-1].probabilities.argmax())
        for average in ("probabilities", "logits", "max")
    }
    assert answers == {"probabilities": 0, "logits": 2, "max": 1}


def test_a_probability_of_zero_has_a_logarithm():
    members = [dataclasses.replace(member(0, 1, 3), probabilities=np.array([[0, 0.5, 0.5]], np.float32))] * 2
    found = grow(members, "logits")[-1].probabilities
    np.testing.assert_allclose(found, [[0, 0.5, 0.5]], atol=1e-30)


def test_an_image_that_one_member_could_not_read_is_wrong():
    members = [member(0), member(1)]
    members[1].probabilities[3] = np.nan
    found = grow(members)[-1]
    assert found.ranks[3] == 7
    assert np.isfinite(np.delete(found.probabilities, 3, axis=0)).all()


@given(seed=st.integers(0, 2**31), images=st.integers(1, 9))
def test_ranks_are_places_in_a_stable_order(seed, images):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (images, 6)).astype(float)  # many ties
    labels = rng.integers(0, 6, images)
    np.testing.assert_array_equal(ranks(scores, labels), slow_ranks(scores, labels))
    valid = rng.random((images, 6)) < 0.4
    expected = [
        min((slow_ranks([row], [label])[0] for label in np.flatnonzero(right)), default=6)
        for row, right in zip(scores, valid, strict=True)
    ]
    np.testing.assert_array_equal(ranks(scores, labels, valid), expected)


def test_many_images_are_ranked_as_few():
    one = member(5, images=2500)
    np.testing.assert_array_equal(ranks(one.probabilities, one.labels), one.ranks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 5}, "^member 0 has 7 classes and member 1 5: they cannot be averaged$"),
        ({"images": 11}, "^member 0 has 12 images and member 1 11: members must answer to the same$"),
        ({"labels_seed": 1}, r"^image \d+ has the label \d in member 0 and \d in member 1$"),
    ],
)
def test_members_of_other_images_or_classes_are_named(change, message):
    with pytest.raises(DataError, match=message):
        grow([member(0), member(1, **change)])


def test_members_in_another_order_are_named():
    one, other = member(0), member(1)
    other.images[[2, 3]] = other.images[[3, 2]]
    with pytest.raises(DataError, match=r"^image 2 of member 0 is image 2 and of member 1 image 3: .* same order$"):
        grow([one, other])
    renamed = dataclasses.replace(member(1), class_names=tuple("abcdefz"))
    with pytest.raises(DataError, match=r"^class 6 is 'g' in member 0 and 'z' in member 1: they cannot be averaged$"):
        grow([one, renamed])


def test_an_unknown_average_is_named():
    with pytest.raises(ValueError, match="probabilities, logits, max, got 'median'"):
        grow([member(0), member(1)], "median")


def test_papers_are_found_by_networks_and_crops():
    seven = printed(["googlenet"] * 7, 144)
    assert seven is not None
    assert (seven.top1, seven.top5, seven.where) == (None, 6.67, "GoogLeNet, table 3")
    mixed = printed(["inception_v4", *["inception_resnet_v2"] * 3], 144)
    assert mixed == printed([*["inception_resnet_v2"] * 3, "inception_v4"], 144)
    assert mixed is not None
    assert (mixed.top1, mixed.top5) == (16.4, 3.1)
    assert printed(["googlenet"] * 2, 144) is None
    assert printed(["googlenet"], 12) is None
    assert printed([""], 1) is None
