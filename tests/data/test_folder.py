from pathlib import Path

import pytest

from inception_jax.data.decode import DecodeError
from inception_jax.data.sources import DataError, open_source


def make(root: Path, *files: str) -> str:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.encode())
    return f"folder:{root}"


def listing(spec: str, split: str = "all") -> dict[str, int]:
    source = open_source(spec, split)
    return {Path(record.name).name: record.label for record in source}


def test_classes_are_sorted_folders(tmp_path):
    spec = make(
        tmp_path, "zebra/1.jpg", "ant/2.JPEG", "ant/deep/3.png", "ant/.hidden.jpg", ".cache/x.jpg", "ant/notes.txt"
    )
    assert open_source(spec, "all").class_names == ("ant", "zebra")
    assert listing(spec) == {"1.jpg": 1, "2.JPEG": 0, "3.png": 0}


def test_records_are_the_files_bytes(tmp_path):
    spec = make(tmp_path, "a/1.jpg", "b/2.jpg")
    source = open_source(spec, "all")
    for index in range(len(source)):
        record = source[index]
        assert record.image == Path(record.name).read_bytes()
        assert source.name_of(index) == record.name


def test_order_depends_on_relative_paths_alone(tmp_path):
    files = [f"{name}/{i}.jpg" for name in "abcd" for i in range(50)]
    orders = []
    for root, created in ((tmp_path / "one", files), (tmp_path / "else" / "two", files[::-1])):
        source = open_source(make(root, *created), "all")
        orders.append([Path(record.name).relative_to(root).as_posix() for record in source])
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == sorted(files)


def test_a_slice_mixes_classes(tmp_path):
    spec = make(tmp_path, *(f"{name}/{i}.jpg" for name in "abcd" for i in range(50)))
    labels = [record.label for record in open_source(spec, "all[:50%]")]
    # Hypergeometric: 25 of each class are expected, with a standard deviation of 3.07; this allows five.
    assert all(10 <= labels.count(label) <= 40 for label in range(4))


def test_slices_partition_the_folder(tmp_path):
    spec = make(tmp_path, *(f"{name}/{i}.jpg" for name in "ab" for i in range(13)))
    first, second = listing_names(spec, "all[:70%]"), listing_names(spec, "all[70%:]")
    assert first + second == listing_names(spec, "all")


def listing_names(spec: str, split: str) -> list[str]:
    return [record.name for record in open_source(spec, split)]


def test_subfolders_are_splits(tmp_path):
    spec = make(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "validation/b/3.jpg")
    assert listing(spec, "train") == {"1.jpg": 0, "2.jpg": 1}
    assert listing(spec, "validation") == {"3.jpg": 1}, "labels are those of train"
    with pytest.raises(DataError, match="no subfolder 'all'; its splits are train, validation"):
        open_source(spec, "all")
    with pytest.raises(DataError, match="no subfolder 'test'; its splits are train, validation"):
        open_source(spec, "test")


def test_a_class_that_training_does_not_have(tmp_path):
    spec = make(tmp_path, "train/a/1.jpg", "test/c/3.jpg")
    with pytest.raises(DataError, match=r"test/c is a class that .*train does not have"):
        open_source(spec, "test")


@pytest.mark.parametrize("split", ["train", "test", "validation"])
def test_without_subfolders_only_all_is_a_split(tmp_path, split):
    spec = make(tmp_path, "a/1.jpg")
    with pytest.raises(
        DataError, match=rf"no subfolder '{split}'; make one, or use slices of 'all' such as 'all\[:95%\]'"
    ):
        open_source(spec, split)


def test_an_empty_class_folder(tmp_path):
    spec = make(tmp_path, "a/1.jpg")
    (tmp_path / "hollow").mkdir()
    with pytest.raises(DataError, match="hollow: it is empty"):
        open_source(spec, "all")


def test_a_class_folder_of_other_files(tmp_path):
    spec = make(tmp_path, "a/1.jpg", "texts/1.txt", "texts/2.txt")
    with pytest.raises(DataError, match=r"texts: none of its 2 files ends in \.jpg, \.jpeg, \.png"):
        open_source(spec, "all")


def test_no_folder_and_no_classes(tmp_path):
    with pytest.raises(DataError, match="absent: no such folder"):
        open_source(f"folder:{tmp_path / 'absent'}", "all")
    with pytest.raises(DataError, match="has no class folders"):
        open_source(f"folder:{tmp_path}", "all")


def test_a_file_that_vanishes(tmp_path):
    source = open_source(make(tmp_path, "a/1.jpg"), "all")
    (tmp_path / "a" / "1.jpg").unlink()
    with pytest.raises(DecodeError, match=r"a/1\.jpg: cannot be read: No such file"):
        source[0]
