"""The wire format of protocol buffers, as much of it as files of weights need: no schema, no classes."""

from __future__ import annotations

from collections.abc import Sequence

from inception_jax.weights.readers.files import BadFile

MOST_FIELDS = 1 << 18  # of one message; a field takes two bytes in a file and a hundred in memory


class Message:
    """The fields of one message, by their numbers. Messages inside are bytes until they are parsed themselves."""

    def __init__(self, data: memoryview | bytes) -> None:
        """Parses `data`.

        Raises:
          BadFile: it is no message.
        """
        view = memoryview(data)
        self._fields: dict[int, list[int | memoryview]] = {}
        at = count = 0
        while at < len(view):
            tag, at = varint(view, at)
            value: int | memoryview
            match tag & 7:
                case 0:
                    value, at = varint(view, at)
                case 1:
                    value, at = take(view, at, 8)
                case 2:
                    length, at = varint(view, at)
                    value, at = take(view, at, length)
                case 5:
                    value, at = take(view, at, 4)
                case _:
                    raise BadFile(f"a protocol buffer has a field of the kind {tag & 7}")
            count += 1
            if not tag >> 3 or count > MOST_FIELDS:
                raise BadFile("a protocol buffer has a field without a number, or too many fields")
            self._fields.setdefault(tag >> 3, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def all(self, number: int) -> list[memoryview]:
        """Every value of a field of bytes, strings or messages."""
        values = self._fields.get(number, [])
        if not all(isinstance(value, memoryview) for value in values):
            raise BadFile(f"field {number} of a protocol buffer should hold bytes")
        return values  # type: ignore[return-value]

    def bytes(self, number: int) -> memoryview:
        """The last value of a field of bytes; none if it is absent."""
        values = self.all(number)
        return values[-1] if values else memoryview(b"")

    def text(self, number: int) -> str:
        """The last value of a field of text; empty if it is absent."""
        try:
            return str(self.bytes(number), "utf-8")
        except UnicodeDecodeError:
            raise BadFile(f"field {number} of a protocol buffer should hold text") from None

    def integer(self, number: int, default: int = 0) -> int:
        """The last value of a field of integers."""
        values = self.integers(number, 1 << 10)
        return values[-1] if values else default

    def integers(self, number: int, most: int) -> list[int]:
        """Every value of a field of integers, packed or not; more than `most` are refused."""
        found: list[int] = []
        for value in self._fields.get(number, []):
            if isinstance(value, int):
                found.append(value)
                continue
            at = 0
            while at < len(value) and len(found) <= most:
                one, at = varint(value, at)
                found.append(one)
        if len(found) > most:
            raise BadFile(f"field {number} of a protocol buffer has more than {most} values")
        return found

    def packed(self, number: int) -> memoryview | bytes:
        """The bytes of a field of fixed-width numbers, packed (one piece, no copy) or each by itself."""
        pieces = self.all(number)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def signed(values: Sequence[int]) -> list[int]:
    """Varints of type int64 as the numbers that they mean."""
    return [value - (1 << 64) if value >> 63 else value for value in values]


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            break
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), at
    raise BadFile("a number has no end")


def take(view: memoryview, at: int, length: int) -> tuple[memoryview, int]:
    """`length` bytes from `at`, and where they end."""
    if at < 0 or length > len(view) - at:
        raise BadFile(f"{length} bytes are said to start at byte {at} of {len(view)}: the file is cut off or damaged")
    return view[at : at + length], at + length
