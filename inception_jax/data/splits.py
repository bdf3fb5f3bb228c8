"""The grammar of splits: `train`, `train[:95%]`, `train[95%:]`, `train[100:200]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inception_jax.data.records import DataError

_BOUNDARY = r"\d+(?:\.\d+)?%|\d+|"
_SPLIT = re.compile(rf"(?P<name>\w[\w.-]*)(?:\[(?P<start>{_BOUNDARY}):(?P<stop>{_BOUNDARY})\])?")


@dataclass(frozen=True)
class Split:
    """A named split and the boundaries of a slice of it, as written (empty: open)."""

    spec: str
    name: str
    start: str = ""
    stop: str = ""

    def indices(self, length: int) -> range:
        """Which of the split's `length` records are meant.

        A percentage is rounded to the closest record, as TFDS rounds it, so that slices which share a
        boundary share no record and miss none.

        Raises:
          DataError: a boundary beyond the split, boundaries in the wrong order, or no record between them.
        """
        start = self._boundary(self.start, length) if self.start else 0
        stop = self._boundary(self.stop, length) if self.stop else length
        if start >= stop:
            raise DataError(f"split {self.spec!r} selects none of the {length} images of {self.name!r}")
        return range(start, stop)

    def _boundary(self, text: str, length: int) -> int:
        if text.endswith("%"):
            percent = float(text[:-1])
            if percent > 100:
                raise DataError(f"split {self.spec!r}: {text} is more than 100%; an example is '{self.name}[:95%]'")
            return round(percent * length / 100)
        if int(text) > length:
            raise DataError(
                f"split {self.spec!r}: {text} lies beyond the {length} images of {self.name!r}; "
                f"an example is '{self.name}[:{length}]'"
            )
        return int(text)


def parse(spec: str) -> Split:
    """Reads a split such as `train[:95%]`.

    Raises:
      DataError: when `spec` is not of that form.
    """
    match = _SPLIT.fullmatch(spec)
    if not match:
        raise DataError(f"split {spec!r} is malformed; examples are 'train', 'train[:95%]' and 'train[100:200]'")
    return Split(spec, match["name"], match["start"] or "", match["stop"] or "")
