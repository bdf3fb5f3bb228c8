import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.data import splits
from inception_jax.data.records import DataError


def selected(spec: str, length: int) -> list[int]:
    return list(splits.parse(spec).indices(length))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("train", range(200)),
        ("train[:]", range(200)),
        ("train[:95%]", range(190)),
        ("train[95%:]", range(190, 200)),
        ("train[0.5%:2.5%]", range(1, 5)),
        ("train[10:20]", range(10, 20)),
        ("train[50%:150]", range(100, 150)),
    ],
)
def test_slices(spec, expected):
    assert selected(spec, 200) == list(expected)


@given(length=st.integers(2, 3000), data=st.data())
def test_two_halves_partition_the_split(length, data):
    cut = data.draw(
        st.integers(1, length - 1).map(str)
        | st.decimals(1, 99, places=2).filter(lambda p: 1 <= float(p) * length / 100 <= length - 1).map("{}%".format)
    )
    assert selected(f"all[:{cut}]", length) + selected(f"all[{cut}:]", length) == list(range(length))


@given(length=st.integers(1, 10**6), percent=st.integers(1, 100))
def test_percentages_round_as_tfds(length, percent):
    stop = round(percent * length / 100.0)  # tensorflow_datasets.core.splits._pct_to_abs_closest
    if stop:
        assert splits.parse(f"train[:{percent}%]").indices(length) == range(stop)


@pytest.mark.parametrize(
    "spec",
    ["", "train[", "train[5]", "train[:5%", "train[-5%:]", "train[a:b]", "train+test", "../train", "..", "[:5%]"],
)
def test_malformed(spec):
    with pytest.raises(DataError, match=r"malformed; examples are .*train\[:95%\]"):
        splits.parse(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("train[:101%]", r"101% is more than 100%; an example is 'train\[:95%\]'"),
        ("train[:201]", r"201 lies beyond the 200 images of 'train'; an example is 'train\[:200\]'"),
        ("train[20:10]", "selects none of the 200 images"),
        ("train[:0.1%]", "selects none of the 200 images"),
    ],
)
def test_out_of_range(spec, message):
    with pytest.raises(DataError, match=message):
        splits.parse(spec).indices(200)


def test_an_empty_split_is_an_error():
    with pytest.raises(DataError, match="none of the 0 images"):
        splits.parse("train").indices(0)
