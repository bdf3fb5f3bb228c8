"""What a network said of every image of a split: tables of it, and a file that can be averaged with others later."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from inception_jax.data.sources import Source
from inception_jax.evaluation.evaluator import Answers

_TOP = 5


class Predictions:
    """Collects the answers of one evaluation, in the order of `source`.

    Args:
      source: the split that is evaluated; names of images and classes come from it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._names: list[str] = []
        self._labels: list[int] = []
        self._ranks: list[int] = []
        self._top: list[list[int]] = []
        self._probabilities: list[np.ndarray] = []

    def add(self, answers: Answers) -> None:
        """Takes the answers to the next images of the source."""
        first = len(self._names)
        # Asked of the source again: batches hold arrays only, and on several hosts each its own images.
        self._names += [self._source[first + i].name for i in range(len(answers.labels))]
        self._labels += answers.labels.tolist()
        self._ranks += answers.ranks.tolist()
        for probabilities in answers.probabilities:
            order = np.argsort(-probabilities, kind="stable")[:_TOP].tolist()
            self._top.append([] if np.isnan(probabilities).any() else order)
        self._probabilities.append(answers.probabilities)

    def columns(self) -> list[str]:
        """Of `rows`, in order."""
        places = range(1, min(_TOP, len(self._source.class_names)) + 1)
        classes, probabilities = [f"class_{i}" for i in places], [f"probability_{i}" for i in places]
        return ["image", "label", "rank", "label_name", "class_1_name", *classes, *probabilities]

    def rows(self) -> list[dict[str, Any]]:
        """One row an image: its `label`, the five likeliest classes and their probabilities, falling.

        `rank` is the place of the label, from 1: the top-1 error counts the rows where it is above 1, the top-5 error
        those where it is above 5. Equal probabilities stand in the order of the classes. A row whose probabilities
        are not numbers names no class.
        """
        names, rows = self._source.class_names, []
        probabilities = (row for batch in self._probabilities for row in batch)
        for image, label, rank, top, own in zip(
            self._names, self._labels, self._ranks, self._top, probabilities, strict=True
        ):
            row = {"image": image, "label": label, "rank": rank + 1, "label_name": names[label]}
            row |= {f"class_{place}": which for place, which in enumerate(top, 1)}
            row |= {f"probability_{place}": float(own[which]) for place, which in enumerate(top, 1)}
            if top:
                row["class_1_name"] = names[top[0]]
            rows.append(row)
        return rows

    def per_class(self) -> list[dict[str, Any]]:
        """One row a class: how many `images` the split has of it, and the share with the label first or in the top 5.

        A class without images has no shares.
        """
        labels, ranks = np.array(self._labels), np.array(self._ranks)
        rows = []
        for label, name in enumerate(self._source.class_names):
            own = ranks[labels == label]
            shares = {"top1": float((own < 1).mean()), "top5": float((own < _TOP).mean())} if len(own) else {}
            rows.append({"label": label, "name": name, "images": len(own), **shares})
        return rows

    def confusions(self) -> list[dict[str, Any]]:
        """One row a pair of classes that was confused, the most frequent first, then in the order of the classes.

        `images` of class `label` were taken for `predicted`, which is `share` of all images of `label`.
        """
        names, of_class = self._source.class_names, Counter(self._labels)
        pairs = Counter(
            (label, top[0]) for label, top in zip(self._labels, self._top, strict=True) if top and top[0] != label
        )
        return [
            {
                "label": label,
                "predicted": predicted,
                "label_name": names[label],
                "predicted_name": names[predicted],
                "images": images,
                "share": images / of_class[label],
            }
            for (label, predicted), images in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
        ]

    def save(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        """Writes all probabilities as a NumPy archive, which `numpy.load` reads without pickles.

        Its arrays: `probabilities` float32 [N, K], `labels` int32 [N], `images` and `class_names` (text), and `about`,
        the JSON of what was evaluated and how. Files of the same split, image by image in the same order, can be
        averaged.
        """
        np.savez(
            file,
            probabilities=np.concatenate(self._probabilities),
            labels=np.array(self._labels, np.int32),
            images=np.array(self._names),
            class_names=np.array(self._source.class_names),
            about=np.array(json.dumps(about)),
        )
