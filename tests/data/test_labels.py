"""The labels of a data set in the order of a network's classes."""

import pytest

from inception_jax.data import imagenet
from inception_jax.data.labels import relabelled
from inception_jax.data.records import DataError, Record, Source

NAMES = tuple(one.name for one in imagenet.classes())
WNIDS = tuple(one.wnid for one in imagenet.classes())


def source(names, labels=None, valid=None):
    labels = range(len(names)) if labels is None else labels
    return Source(names, range(len(labels)), lambda i: Record(b"", labels[i], f"image {i}", valid))


def labels_of(source):
    return [source[i].label for i in range(len(source))]


def test_the_same_classes_are_left_alone():
    given = source(("a", "b"))
    assert relabelled(given, ("a", "b"), 2) is given
    assert relabelled(given, (), 2) is given


def test_fewer_classes_in_another_order_find_their_labels():
    found = relabelled(source(("d", "b")), ("a", "b", "c", "d"), 4)
    assert found.class_names == ("a", "b", "c", "d")
    assert labels_of(found) == [3, 1]


@pytest.mark.parametrize("network", [NAMES, WNIDS])
@pytest.mark.parametrize("images", [NAMES, WNIDS])
def test_imagenet_is_recognised_by_names_and_by_identifiers(network, images):
    assert labels_of(relabelled(source(images[5:8]), network, 1000)) == [5, 6, 7]


def test_a_name_of_two_classes_is_none():
    with pytest.raises(DataError, match="'crane' is none of"):
        relabelled(source(("tench", "crane")), NAMES, 1000)
    assert labels_of(relabelled(source((WNIDS[134], WNIDS[517])), NAMES, 1000)) == [134, 517]


def test_all_of_several_valid_labels_are_changed():
    found = relabelled(source(("d", "b"), valid=(1, 0)), ("a", "b", "c", "d"), 4)
    assert found[0].valid == (1, 3)
    none = relabelled(source(("d", "b"), valid=()), ("a", "b", "c", "d"), 4)
    assert none[0].valid == ()


@pytest.mark.parametrize(
    ("names", "network", "words"),
    [
        (("a", "z"), ("a", "b", "c"), r"have other classes \(2\) than .* \(3\): 'z' is none of 'a', 'b', 'c'"),
        (("a", "b"), (), "the images have 2 classes, the network 3, whose names are not known"),
    ],
)
def test_a_class_that_the_network_lacks_is_named(names, network, words):
    with pytest.raises(DataError, match=words):
        relabelled(source(names), network, 3)


def test_a_label_outside_the_classes_names_its_record():
    with pytest.raises(DataError, match="image 0: label 2 is outside of the 2 classes"):
        relabelled(source(("d", "b"), labels=[2]), ("a", "b", "c", "d"), 4)[0]
