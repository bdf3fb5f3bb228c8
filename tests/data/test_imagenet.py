"""The classes of ImageNet: their number, their order, and a few that everyone knows."""

from inception_jax.data import imagenet


def test_a_thousand_classes_in_the_order_of_their_identifiers():
    classes = imagenet.classes()
    wnids = [one.wnid for one in classes]
    assert len(set(wnids)) == 1000
    assert wnids == sorted(wnids)
    assert all(len(wnid) == 9 and wnid.startswith("n") and wnid[1:].isdigit() for wnid in wnids)
    assert all(one.name and one.name == one.name.strip() for one in classes)


def test_known_labels():
    classes = imagenet.classes()
    assert classes[0] == ("n01440764", "tench")
    assert classes[207].wnid == "n02099601"  # golden retriever
    assert classes[999].wnid == "n15075141"  # toilet paper
