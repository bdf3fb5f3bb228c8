import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.evaluation.metrics import hits, rank, sums

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
