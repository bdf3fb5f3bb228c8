"""The catalogue against the networks: every one but Inception-v2 of Rethinking has public weights that fit it."""

from inception_jax import models
from inception_jax.weights.catalogue import CATALOGUE, PROJECTS
from inception_jax.weights.mapping import layers


def test_every_network_but_inception_v2_has_public_weights():
    assert {entry.source.network for entry in CATALOGUE.values()} == set(models.names()) - {"inception_v2"}


def test_weights_fit_the_variants_that_say_so():
    said = {(name, variant) for name in models.names() for variant, v in models.variants(name).items() if v.weights}
    assert {(entry.source.network, entry.source.variant) for entry in CATALOGUE.values()} <= said
    for name, entry in CATALOGUE.items():
        arch = models.architecture(entry.source.network, entry.source.variant, **entry.options)
        convs = [row for row, operation in arch.rows if hasattr(operation, "features")]
        paths = [f"params/{row}/kernel" for row in [*convs, "logits"]] + [f"batch_stats/{r}/norm/mean" for r in convs]
        hints = [f"conv2d_{number}/kernel" for number in range(1, len(convs) + 1)]
        assert set(entry.source.table(hints, layers(paths)).values()) >= {path for path in paths if "params" in path}, (
            name
        )


def test_every_file_has_a_project_and_one_entry():
    assert {name.split("/")[0] for name in CATALOGUE} == set(PROJECTS)
    files = [file for entry in CATALOGUE.values() for file in entry.files]
    assert len(files) == len(set(files))
    assert all(entry.files for entry in CATALOGUE.values() if entry.accuracy)
