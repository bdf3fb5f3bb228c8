"""The labels of a data set in the order of a network's classes."""

from __future__ import annotations

import dataclasses
from collections import Counter

from inception_jax.data import imagenet
from inception_jax.data.records import DataError, Record, Source


def relabelled(source: Source, class_names: tuple[str, ...], count: int) -> Source:
    """The images of `source` with the labels of a network's classes.

    A class is found by its name; where the network's classes are ImageNet's, by its WordNet identifier too, as
    its folders are called. The source may have fewer classes than the network, and in another order.

    Args:
      source: a split.
      class_names: of the network's classes; empty if they are unknown, and then numbers have to do.
      count: how many classes the network has.

    Raises:
      DataError: a class that the network does not have.
    """
    names = source.class_names
    if names == class_names or (not class_names and len(names) == count):
        return source
    if not class_names:
        raise DataError(f"the images have {len(names)} classes, the network {count}, whose names are not known")
    labels = _labels(class_names)
    if strangers := [name for name in names if name not in labels]:
        raise DataError(
            f"the images have other classes ({len(names)}) than those that the network was trained on "
            f"({count}): {strangers[0]!r} is none of {', '.join(map(repr, class_names[:5]))}"
            f"{', ...' if count > 5 else ''}"
        )

    def label_of(record: Record, theirs: int) -> int:
        if not 0 <= theirs < len(names):
            raise DataError(f"{record.name}: label {theirs} is outside of the {len(names)} classes")
        return labels[names[theirs]]

    def read(index: int) -> Record:
        record = source.read(index)
        valid = record.valid and tuple(label_of(record, theirs) for theirs in record.valid)
        return record._replace(label=label_of(record, record.label), valid=valid)

    return dataclasses.replace(source, class_names=class_names, read=read)


def _labels(class_names: tuple[str, ...]) -> dict[str, int]:
    """What a class may be called -> its label. A name of two classes, as ImageNet's two cranes, tells neither."""
    often = Counter(class_names)
    labels = {name: label for label, name in enumerate(class_names) if often[name] == 1}
    classes = imagenet.classes()
    if class_names == tuple(one.name for one in classes):
        labels |= {one.wnid: label for label, one in enumerate(classes)}
    elif class_names == tuple(one.wnid for one in classes):
        labels |= _labels(tuple(one.name for one in classes))
    return labels
