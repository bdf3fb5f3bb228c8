"""Probes of frozen features: against plain NumPy, on data whose answer is known, and what cannot be probed."""

import numpy as np
import pytest
from scipy import stats

from inception_jax.evaluation.probe import STRENGTHS, ProbeError, accuracies, linear, nearest


def clusters(seed, images, classes=4, channels=6, spread=0.5):
    """Features around a centre for each class; the centres depend on nothing but their number."""
    centres = np.random.default_rng(0).normal(size=(classes, channels)) * 3
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    features = centres[labels] + spread * rng.normal(size=(images, channels))
    return features.astype(np.float32), labels


def test_votes_are_those_of_a_plain_count():
    features, labels = clusters(1, 60, spread=3)
    test, _ = clusters(2, 17, spread=3)
    found = nearest(features, labels, test, 7)
    for own, row in zip(test, found, strict=True):
        cosine = features @ own / np.linalg.norm(features, axis=1) / np.linalg.norm(own)
        votes = np.zeros(4)
        for image in np.argsort(-cosine)[:7]:
            votes[labels[image]] += np.exp(cosine[image] / 0.07)
        expected = np.where(votes > 0, votes / votes.sum(), -np.inf)
        np.testing.assert_allclose(row, expected, rtol=1e-4)


def test_the_length_of_a_feature_does_not_matter_to_its_neighbours():
    features, labels = clusters(1, 40)
    test, _ = clusters(2, 10)
    lengths = np.random.default_rng(0).uniform(0.1, 10, (40, 1)).astype(np.float32)
    np.testing.assert_allclose(
        nearest(features * lengths, labels, test * 5, 5), nearest(features, labels, test, 5), rtol=1e-4
    )


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("method", ["linear", "knn"])
def test_classes_that_lie_apart_are_told_apart(method, classes):
    features, labels = clusters(1, 80, classes)
    test, wanted = clusters(2, 40, classes)
    scores = linear(features, labels, test)[0] if method == "linear" else nearest(features, labels, test, 5)
    assert scores.shape == (40, classes)
    assert accuracies(scores, wanted)["top1"] == 1


def test_a_linear_probe_does_not_depend_on_the_scale_of_a_channel():
    features, labels = clusters(1, 80, spread=3)
    test, _ = clusters(2, 40, spread=3)
    scale = np.array([1e-3, 1, 10, 100, 1e3, 1], np.float32)
    plain, scaled = (linear(features * by, labels, test * by, 1.0)[0] for by in (np.float32(1), scale))
    np.testing.assert_allclose(scaled, plain, rtol=1e-3, atol=1e-3)


def test_c_is_chosen_on_a_fifth_of_every_class_and_then_all_images_are_fitted(monkeypatch):
    seen = []

    class Model:
        def __init__(self, strength, x, y):
            self.strength, self.fitted = strength, (x, y)

        def score(self, x, y):
            seen.append((self.strength, *self.fitted, x, y))
            return {0.1: 0.9, 1.0: 0.9}.get(self.strength, 0.5)

        def decision_function(self, test):
            seen.append((self.strength, *self.fitted))
            return np.zeros((len(test), 4))

    monkeypatch.setattr("inception_jax.evaluation.probe._fitted", Model)
    features, labels = clusters(1, 100)
    _, chosen = linear(features, labels, features)
    assert chosen == 0.1, "of equals the strongest L2"
    *trials, last = seen
    assert [trial[0] for trial in trials] == list(STRENGTHS)
    for _, x, y, held_x, held_y in trials:
        assert np.bincount(held_y).tolist() == [5, 5, 5, 5]
        together = np.concatenate([x, held_x])
        np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(features, axis=0))
        assert len(y) == 80
    assert last[1] is features
    assert linear(features, labels, features, 0.5)[1] == 0.5


@pytest.mark.filterwarnings("default")
def test_a_probe_that_does_not_converge_says_so(monkeypatch):
    monkeypatch.setattr("inception_jax.evaluation.probe.ITERATIONS", 2)
    features, labels = clusters(1, 80, spread=3)
    with pytest.warns(UserWarning, match=r"C = 100 did not converge in 2 steps"):
        linear(features, labels, features, 100.0)


def test_counts_follow_the_order_of_scores():
    scores = np.array([[5, 4, 3, 2, 1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 9.0]])
    assert accuracies(scores, np.array([0, 0, 1, 5]))["top1"] == 0.75
    found = accuracies(scores, np.array([4, 5, 1, 2]))
    assert (found["top1"], found["top5"]) == (0, 0.75)  # equal scores stand in the order of the classes
    interval = stats.binomtest(3, 4).proportion_ci(0.95, method="wilson")
    assert (found["top5_low"], found["top5_high"]) == pytest.approx((interval.low, interval.high))


def test_a_class_that_is_unknown_or_has_no_vote_is_missed():
    scores = np.array([[1.0, -np.inf, -np.inf], [1.0, 0, 0]])
    assert accuracies(scores, np.array([1, -1]))["top5"] == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: linear(x, np.zeros_like(y), x), "two classes at least"),
        (lambda x, y: linear(x[:5], np.array([0, 1, 2, 3, 0]), x), "one training image only"),
        (lambda x, y: nearest(x, y, x, 81), "81 neighbours are more than the 80 training images"),
    ],
)
def test_what_cannot_be_probed_is_said(call, words):
    with pytest.raises(ProbeError, match=words):
        call(*clusters(1, 80))
