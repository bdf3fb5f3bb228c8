import pytest

from inception_jax.data import known_sizes
from inception_jax.data.known_sizes import Size, size_of
from inception_jax.data.sources import DataError, open_source


def test_imagenet_has_its_size_where_its_images_are_not(tmp_path):
    # Russakovsky et al. 2015, table 2.
    assert size_of("tfds:imagenet2012", "train", str(tmp_path)) == Size(1_281_167, 1000)
    assert size_of("tfds:imagenet2012:5.1.0", "validation", str(tmp_path)) == Size(50_000, 1000)
    assert size_of("tfds:imagenet2012", "train[:10%]", str(tmp_path)) == Size(128_117, 1000)


@pytest.mark.parametrize("spec", ["tfds:places365", "folder:imagenet2012", "tfds:imagenet2012x"])
def test_another_data_set_has_to_be_there(spec, tmp_path):
    with pytest.raises(DataError):
        size_of(spec, "train", str(tmp_path))


def test_a_split_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(DataError):
        size_of("tfds:imagenet2012", "test", str(tmp_path))


def test_images_that_are_there_are_counted():
    assert size_of("digits", "train[:50%]") == Size(len(open_source("digits", "train[:50%]")), 10)


@pytest.mark.parametrize(("name", "prepared"), [("fashion_mnist", "fashion_mnist"), ("cifar10", "cifar10_jpeg")])
def test_known_sizes_are_those_of_the_data(shared_data, name, prepared):
    lengths, classes = known_sizes._KNOWN[name]
    for split, length in lengths.items():
        source = open_source(f"tfds:{prepared}", split, str(shared_data / "tfds"))
        assert (len(source), len(source.class_names)) == (length, classes)
