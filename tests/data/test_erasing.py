import jax
import jax.numpy as jnp
import numpy as np

from inception_jax.data.erasing import erase

IMAGES = jnp.full((200, 24, 32, 3), 7.0)
SEEDS = jnp.arange(200, dtype=jnp.uint32)


def test_a_share_of_images_loses_one_rectangle_of_the_papers_size():
    run = jax.jit(erase, static_argnums=2)
    changed = np.all(np.asarray(run(IMAGES, SEEDS, 0.4)) != 7, axis=-1, keepdims=True)[..., 0]
    erased = [mask for mask in changed if mask.any()]
    assert 0.3 < len(erased) / len(changed) < 0.5
    for mask in erased:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert mask.sum() == len(rows) * len(columns)
        assert 0.01 < mask.mean() < 0.36
    reached = np.any(erased, axis=0)
    assert reached.any(axis=0).all()
    assert reached.any(axis=1).all()


def test_noise_is_normal_and_an_image_depends_on_its_own_seed_alone():
    run = jax.jit(erase, static_argnums=2)
    after = np.asarray(run(IMAGES, SEEDS, 1.0))
    noise = after[after != 7]
    assert abs(noise.mean()) < 0.05
    assert 0.95 < noise.std() < 1.05
    order = np.random.default_rng(0).permutation(200)
    np.testing.assert_array_equal(run(IMAGES, SEEDS[order], 1.0), after[order])
