import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax.config import Augment, Config, ConfigError, Loss, resolve
from inception_jax.models import Output
from inception_jax.training.losses import classification_loss
from inception_jax.training.mixing import mix, mixed_loss, neighbours

ROWS = 400
# Row i is an image of the number i, which tells where a pixel comes from.
IMAGES = jnp.broadcast_to(jnp.arange(ROWS, dtype=jnp.float32)[:, None, None, None], (ROWS, 8, 12, 3))
LABELS = jnp.arange(ROWS, dtype=jnp.int32)
SEEDS = jnp.arange(ROWS, dtype=jnp.uint32)


def run(**alphas):
    mixed = jax.jit(lambda images, labels, seeds: mix(images, labels, seeds, Augment(**alphas)))(IMAGES, LABELS, SEEDS)
    return jax.device_get(mixed)


def own_share(mixed):
    """Of each pixel, from its value."""
    own, other = (np.asarray(rows, np.float64)[:, None, None] for rows in (mixed.labels, mixed.others))
    return (mixed.images[..., 0] - other) / (own - other)


def test_neighbours_are_exchanged():
    np.testing.assert_array_equal(neighbours(jnp.arange(6)), [1, 0, 3, 2, 5, 4])


def test_mixup_blends_every_pixel_by_a_share_of_its_beta_distribution():
    mixed = run(mixup=0.4)
    np.testing.assert_array_equal(mixed.others, np.asarray(LABELS) ^ 1)
    np.testing.assert_allclose(own_share(mixed), np.broadcast_to(mixed.share[:, None, None], (ROWS, 8, 12)), atol=2e-3)
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
    assert mixed.share.mean() == pytest.approx(0.5, abs=0.05)
    assert mixed.share.var() == pytest.approx(1 / (4 * 1.8), rel=0.15)


def test_cutmix_replaces_a_rectangle_and_counts_its_pixels():
    mixed = run(cutmix=1.0)
    shares = own_share(mixed)
    assert np.isin(shares.round(3), (0, 1)).all()
    np.testing.assert_allclose(shares.mean((1, 2)), mixed.share, atol=1e-5)
    for cut in shares < 0.5:
        rows, columns = cut.any(1).sum(), cut.any(0).sum()
        assert cut.sum() == rows * columns
    assert (shares < 0.5).mean(0).min() > 0.1


def test_with_both_each_image_has_one():
    mixed = run(mixup=1.0, cutmix=1.0)
    blended = ((own_share(mixed) > 0.01) & (own_share(mixed) < 0.99)).all((1, 2))
    assert 0.4 < blended.mean() < 0.6


def test_the_loss_is_that_of_soft_labels():
    rng = np.random.default_rng(0)
    logits, aux = rng.normal(size=(2, 6, 5)).astype(np.float32)
    labels = jnp.array([0, 1, 2, 3, 4, 0])
    output = Output(jnp.array(logits), (jnp.array(aux),), jnp.zeros((6, 1)), {})
    mixed = jax.jit(lambda *arrays: mix(arrays[0], arrays[1], arrays[2], Augment(mixup=1.0)))(
        IMAGES[:6], labels, SEEDS[:6]
    )
    loss = Loss(label_smoothing=0.1, aux_weight=0.4)
    share = np.asarray(mixed.share)[:, None]
    soft = share * np.eye(5)[labels] + (1 - share) * np.eye(5)[mixed.others]
    targets = 0.9 * soft + 0.1 / 5

    def cross_entropy(x):
        x = x.astype(np.float64)
        return -(targets * (x - np.log(np.exp(x).sum(1, keepdims=True)))).sum(1)

    expected = cross_entropy(logits) + 0.4 * cross_entropy(aux)
    np.testing.assert_allclose(mixed_loss(output, mixed, loss), expected, rtol=1e-5)
    whole = mixed._replace(share=jnp.ones(6))
    np.testing.assert_array_equal(mixed_loss(output, whole, loss), classification_loss(output, labels, loss))


def test_an_odd_batch_has_no_pairs():
    with pytest.raises(ConfigError, match=r"config\.augment\.mixup and cutmix pair images: 33 of one forward pass"):
        resolve({"batch_size": 33, "model": {"bn_group_size": 0}, "augment": {"cutmix": 1.0}})


def test_all_of_it_is_off_unless_asked_for():
    assert not any((Config().augment.mixup, Config().augment.cutmix, Config().augment.erasing))
    assert not Config().augment.randaugment
