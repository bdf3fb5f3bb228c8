"""What a network said of every image of a split: tables of it, and a file that can be averaged with others later."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from inception_jax.data.decode import DecodeError
from inception_jax.data.sources import DataError, Source
from inception_jax.evaluation.evaluator import Answers

_TOP = 5


@dataclass(frozen=True)
class Predictions:
    """The answers to N images over K classes, in the order of their split.

    Attributes:
      images: text [N], the name of each.
      labels: int32 [N]; -1 where a record is so damaged that its label is unknown.
      ranks: int32 [N], how many classes stand before the label, of several valid ones the likeliest; K for an image
        that could not be read.
      probabilities: float32 [N, K]; NaN for an image that could not be read.
      class_names: of every label, in order.
      valid: bool [N, K], the right answers where an image may have several (ReaL); else None.
    """

    images: np.ndarray
    labels: np.ndarray
    ranks: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    valid: np.ndarray | None = None

    def columns(self) -> list[str]:
        """Of `rows`, in order."""
        places = range(1, min(_TOP, len(self.class_names)) + 1)
        classes, probabilities = [f"class_{i}" for i in places], [f"probability_{i}" for i in places]
        labels = ["label"] if self.valid is None else ["label", "valid_labels"]
        return ["image", *labels, "rank", "label_name", "class_1_name", *classes, *probabilities]

    def rows(self) -> list[dict[str, Any]]:
        """One row an image: its `label`, the five likeliest classes and their probabilities, falling.

        `rank` is the place of the label, from 1: the top-1 error counts the rows where it is above 1, the top-5 error
        those where it is above 5. Equal probabilities stand in the order of the classes. A row whose probabilities
        are not numbers names no class. `valid_labels`, where there are several, are parted by spaces.
        """
        names, rows, top_of = self.class_names, [], self._top()
        for i, (image, label, rank) in enumerate(zip(self.images, self.labels, self.ranks, strict=True)):
            top, own = top_of[i], self.probabilities[i]
            row: dict[str, Any] = {"image": str(image), "label": int(label), "rank": int(rank) + 1}
            if label >= 0:
                row["label_name"] = names[label]
            if self.valid is not None:
                row["valid_labels"] = " ".join(map(str, np.flatnonzero(self.valid[i])))
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
        rows = []
        for label, name in enumerate(self.class_names):
            own = self.ranks[self.labels == label]
            shares = {"top1": float((own < 1).mean()), "top5": float((own < _TOP).mean())} if len(own) else {}
            rows.append({"label": label, "name": name, "images": len(own), **shares})
        return rows

    def confusions(self) -> list[dict[str, Any]]:
        """One row a pair of classes that was confused, the most frequent first, then in the order of the classes.

        `images` of class `label` were taken for `predicted`, which is `share` of all images of `label`. An answer
        that is one of several valid ones confuses nothing.
        """
        names, of_class, pairs = self.class_names, Counter(self.labels.tolist()), Counter()
        for i, (label, top) in enumerate(zip(self.labels.tolist(), self._top(), strict=True)):
            if label >= 0 and top and not (self.valid[i, top[0]] if self.valid is not None else top[0] == label):
                pairs[label, top[0]] += 1
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

    def _top(self) -> list[list[int]]:
        """The five likeliest classes of every image; none where a probability is not a number."""
        tops = []
        for own in self.probabilities:  # row by row: the order of all classes of all images would take 400 MB
            tops.append([] if np.isnan(own).any() else np.argsort(-own, kind="stable")[:_TOP].tolist())
        return tops

    def save(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        """Writes all probabilities as a NumPy archive, which `numpy.load` reads without pickles.

        Its arrays are the attributes of this class (`valid` where there is one) and `about`, the JSON of what was
        evaluated and how. Files of the same split, image by image in the same order, can be averaged.
        """
        arrays: dict[str, Any] = {
            "probabilities": self.probabilities,
            "labels": self.labels,
            "ranks": self.ranks,
            "images": self.images,
            "class_names": np.array(self.class_names),
            "about": np.array(json.dumps(about)),
        }
        if self.valid is not None:
            arrays["valid"] = self.valid
        np.savez(file, **arrays)


class Collector:
    """Puts the answers of one evaluation together.

    Args:
      source: the split that is evaluated; names of images and classes come from it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._names: list[str] = []
        self._labels: list[int] = []
        self._valid: list[tuple[int, ...]] = []
        self._ranks: list[np.ndarray] = []
        self._probabilities: list[np.ndarray] = []

    def add(self, answers: Answers) -> None:
        """Takes the answers to the next images of the source."""
        for position in answers.positions.tolist():
            # Asked of the source again: batches hold arrays only, and on several hosts each its own images.
            try:
                record = self._source[position]
            except DecodeError as error:
                self._names.append(str(error).partition(": ")[0])
                self._labels.append(-1)
                self._valid.append(())
                continue
            self._names.append(record.name)
            self._labels.append(record.label)
            self._valid.append((record.label,) if record.valid is None else record.valid)
        self._ranks.append(answers.ranks)
        self._probabilities.append(answers.probabilities)

    def result(self) -> Predictions:
        """All answers so far, of which there must be some."""
        valid = None
        if self._source.several:
            valid = np.zeros((len(self._names), len(self._source.class_names)), bool)
            for row, labels in zip(valid, self._valid, strict=True):
                row[list(labels)] = True
        return Predictions(
            images=np.array(self._names),
            labels=np.array(self._labels, np.int32),
            ranks=np.concatenate(self._ranks),
            probabilities=np.concatenate(self._probabilities),
            class_names=self._source.class_names,
            valid=valid,
        )


def load_about(path: Path) -> dict[str, Any]:
    """What was evaluated and how, without the predictions.

    Raises:
      DataError: there is no such file, or it is damaged.
    """
    with _arrays_of(path) as found:
        return json.loads(str(found["about"]))


@contextlib.contextmanager
def _arrays_of(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of a file, each read when it is asked for."""
    try:
        with np.load(path) as arrays:
            yield arrays
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged or no file of predictions: {error}") from error
    except KeyError as error:
        raise DataError(f"{path} is no file of predictions: {error.args[0]}") from error


def load_predictions(path: Path) -> tuple[Predictions, dict[str, Any]]:
    """Reads a file of `Predictions.save`: the predictions, and what was evaluated and how.

    Raises:
      DataError: there is no such file, it is damaged, or its arrays do not fit each other.
    """
    with _arrays_of(path) as found:
        about = json.loads(str(found["about"]))
        predictions = Predictions(
            images=found["images"],
            labels=found["labels"],
            ranks=found["ranks"],
            probabilities=found["probabilities"],
            class_names=tuple(found["class_names"].tolist()),
            valid=found.get("valid"),
        )
    shape = (len(predictions.images), len(predictions.class_names))
    lengths = {len(predictions.labels), len(predictions.ranks), shape[0]}
    if predictions.probabilities.shape != shape or len(lengths) > 1:
        raise DataError(
            f"{path} is damaged: probabilities of the shape {predictions.probabilities.shape} for "
            f"{shape[0]} images and {shape[1]} classes"
        )
    return predictions, about
