import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.evaluation.metrics import hits, likeliest, rank, sums

CLASSES = st.sampled_from([1, 2, 5, 12])  # few shapes, since each compiles anew


def ranks_by_sorting(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A stable sort by falling score puts equal scores in class order."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return np.array([list(row).index(label) for row, label in zip(order, labels, strict=True)])


@given(CLASSES, st.integers(0, 2**32 - 1))
def test_rank_is_the_place_in_a_stable_sort(classes, seed):
    rng = np.random.default_rng(seed)
    logits = rng.integers(-2, 3, (9, classes)).astype(np.float32)  # many ties
    labels = rng.integers(0, classes, 9).astype(np.int32)
    np.testing.assert_array_equal(rank(jnp.array(logits), jnp.array(labels)), ranks_by_sorting(logits, labels))


def test_constant_logits_hit_only_the_first_classes():
    labels = jnp.arange(10, dtype=jnp.int32)
    counts = hits(jnp.zeros((10, 10)), labels, jnp.ones(10, bool))
    assert (int(counts["top1"]), int(counts["top5"])) == (1, 5)


def test_nan_logits_are_wrong():
    logits = jnp.array([[jnp.nan, 1.0, 0.0], [jnp.nan] * 3, [jnp.inf, 1.0, 0.0]])
    labels = jnp.zeros(3, jnp.int32)
    counts = hits(logits, labels, jnp.ones(3, bool))
    assert (int(counts["top1"]), int(counts["top5"])) == (1, 1)


@given(CLASSES, st.lists(st.booleans(), min_size=9, max_size=9), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_the_rows_that_are_not_padding(classes, mask, seed):
    rng = np.random.default_rng(seed)
    mask = np.array(mask)
    logits = rng.normal(size=(len(mask), classes)).astype(np.float32)
    labels = rng.integers(0, classes, len(mask)).astype(np.int32)
    logits[~mask] = np.nan  # whatever padding holds
    found = sums(jnp.array(logits), jnp.array(labels), jnp.array(mask))
    logits, labels = logits[mask].astype(np.float64), labels[mask]
    ranks = ranks_by_sorting(logits, labels)
    log_total = np.log(np.exp(logits).sum(axis=1))
    assert int(found["images"]) == mask.sum()
    assert int(found["top1"]) == (ranks < 1).sum()
    assert int(found["top5"]) == (ranks < 5).sum()
    losses = log_total - logits[np.arange(len(labels)), labels]
    # A loss is a difference of numbers of order one, each rounded to float32.
    np.testing.assert_allclose(found["loss"], losses.sum(), rtol=1e-5, atol=1e-6)


@given(CLASSES, st.integers(0, 2**32 - 1))
def test_of_several_valid_labels_the_first_in_a_stable_sort_counts(classes, seed):
    rng = np.random.default_rng(seed)
    logits = rng.integers(-2, 3, (9, classes)).astype(np.float32)  # many ties
    logits[rng.random(logits.shape) < 0.1] = -np.inf
    valid = rng.random((9, classes)) < 0.4
    valid[np.arange(9), rng.integers(0, classes, 9)] = True
    labels = likeliest(jnp.array(logits), jnp.array(valid))
    assert valid[np.arange(9), labels].all()
    best = [
        min(ranks_by_sorting(row[None], np.array([label]))[0] for label in np.flatnonzero(right))
        for row, right in zip(logits, valid, strict=True)
    ]
    np.testing.assert_array_equal(rank(jnp.array(logits), labels), best)


def test_a_valid_label_is_chosen_even_if_none_has_a_number():
    logits = jnp.array([[5.0, jnp.nan, jnp.nan], [jnp.nan, -jnp.inf, 1.0]])
    valid = jnp.array([[False, False, True], [True, True, False]])
    np.testing.assert_array_equal(likeliest(logits, valid), [2, 0])


def test_an_image_that_could_not_be_read_is_an_image_no_hit_and_no_loss():
    logits = jnp.array([[1.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0, 0.0, 9.0]])
    labels, mask = jnp.array([0, -1, -1]), jnp.array([True, True, False])
    found = sums(logits, labels, mask)
    assert {name: int(found[name]) for name in ("top1", "top5", "images", "unreadable")} == {
        "top1": 1,
        "top5": 1,
        "images": 2,
        "unreadable": 1,
    }
    np.testing.assert_allclose(found["loss"], np.log(1 + 2 * np.exp(-1.0)), rtol=1e-5)
    np.testing.assert_array_equal(rank(logits, labels), [0, 3, 3])
