"""A JPEG file cut short below the rows that are needed, so that a decoder stops there."""

from __future__ import annotations

from typing import NamedTuple

_SOF0, _SOF1, _SOS = 0xC0, 0xC1, 0xDA
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xDA))


class Frame(NamedTuple):
    """What the header of a sequential JPEG says about its rows.

    Attributes:
      height: in pixels, before any EXIF orientation.
      row: rows of one row of MCUs, the unit in which rows are decoded.
      needs_next: whether the last rows of one unit are interpolated with the next unit (chroma has fewer rows).
      offset: of the two bytes that state the height.
    """

    height: int
    row: int
    needs_next: bool
    offset: int


def frame(data: bytes) -> Frame | None:
    """The frame of a JPEG whose rows follow one another: Huffman-coded, sequential, in one scan. Otherwise None.

    A progressive file is none: each of its scans runs over all rows.
    """
    found, components = None, 0
    position = 2
    try:
        while True:
            if data[position] != 0xFF:
                return None
            marker = data[position + 1]
            if marker == 0xFF:  # a fill byte
                position += 1
                continue
            if marker in _WITHOUT_LENGTH:
                return None
            if marker == _SOS:
                return found if data[position + 4] == components else None
            if marker in (_SOF0, _SOF1):
                components = data[position + 9]
                samplings = data[position + 11 : position + 11 + 3 * components : 3]
                tallest = max(sampling & 15 for sampling in samplings)
                lowest = min(sampling & 15 for sampling in samplings)
                height = int.from_bytes(data[position + 5 : position + 7], "big")
                found = Frame(height, 8 * tallest, tallest != lowest, position + 5) if height else None
            elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                return None  # another way of coding
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    except (IndexError, ValueError):
        return None


def shortened(data: bytes, frame: Frame, bottom: int) -> tuple[bytes | bytearray, int]:
    """The file with a header that claims fewer rows, and how many: `bottom` of them come out as those of the whole.

    libjpeg then ends at that row and skips what is left, of which it complains ("extraneous bytes").
    """
    units = -(-bottom // frame.row) + frame.needs_next
    height = units * frame.row
    if height >= frame.height:
        return data, frame.height
    claiming = bytearray(data)
    claiming[frame.offset : frame.offset + 2] = height.to_bytes(2, "big")
    return claiming, height
