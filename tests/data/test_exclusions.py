import pytest

from inception_jax.data.exclusions import without
from inception_jax.data.records import DataError, Record, Source

NAMES = [
    "tfds:imagenet2012 validation[0]/ILSVRC2012_val_00000036.JPEG",
    "/data/val/n01440764/ILSVRC2012_val_00000050.JPEG",
    "/data/val/n01440764/a b.JPEG",
    "digits[3]",
]


def source() -> Source:
    return Source(("a",), range(4), lambda i: Record(b"", 0, NAMES[i]))


def left_out(tmp_path, text: str) -> list[int]:
    path = tmp_path / "blacklist.txt"
    path.write_text(text)
    found = without(source(), str(path))
    return [i for i in range(len(found)) if found[i].valid == ()]


def test_numbers_and_names_are_left_out(tmp_path):
    assert left_out(tmp_path, "36\n50\n") == [0, 1]
    assert left_out(tmp_path, "# ILSVRC's\n\n 00036  # a comment\na b.JPEG\n17") == [0, 2]
    assert left_out(tmp_path, "val/n01440764/ILSVRC2012_val_00000050.JPEG\ndigits[3]\n") == [1, 3]


def test_all_else_stays_as_it_is(tmp_path):
    whole = source()
    assert without(whole, "") is whole
    path = tmp_path / "list.txt"
    path.write_text("36")
    rest = without(whole, str(path))
    assert [rest[i] for i in range(1, len(rest))] == [whole[i] for i in range(1, len(whole))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("36\n0\n", r"list.txt\), line 2: 0 is no image of ILSVRC2012's validation set, which are numbered 1 to 50000"),
        ("50001", "line 1: 50001 is no image"),
        ("# nothing\n\n", "names no image"),
        (None, "cannot be read: No such file"),
        (b"\xff\xfe\x00", "cannot be read: it is no text"),
    ],
)
def test_a_bad_list_is_named(tmp_path, text, message):
    path = tmp_path / "list.txt"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        without(source(), str(path))
