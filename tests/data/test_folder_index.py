import logging
import os
import shutil
import time
from pathlib import Path

import pytest

from inception_jax.data import folder_index
from inception_jax.data.folder_index import Index, cache_folder, index_of
from inception_jax.data.records import DataError


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch) -> Path:
    """Listings of any size are kept here; the tree of a test is beside it."""
    monkeypatch.setenv("INCEPTION_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(folder_index, "_WORTH_KEEPING", 1)
    return tmp_path / "cache" / "folders"


@pytest.fixture
def tree(tmp_path) -> Path:
    base = tmp_path / "tree"
    for name in ("ant/1.jpg", "ant/deep/2.png", "ant/notes.txt", "bee/3.JPEG", "bee/\u00e9 4.jpg"):
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    age(base)
    return base


def age(base: Path, seconds: float = 100) -> None:
    """Makes every folder look as if it had not changed for so long."""
    past = time.time() - seconds
    for directory, _, _ in os.walk(base):
        os.utime(directory, (past, past))


def listing(index: Index) -> dict[str, str]:
    return {index.path(place): index.classes[label] for place, label in enumerate(index.labels)}


FILES = {"ant/1.jpg": "ant", "ant/deep/2.png": "ant", "bee/3.JPEG": "bee", "bee/\u00e9 4.jpg": "bee"}


def forbid_listing(monkeypatch) -> None:
    def fail(*_):
        raise AssertionError("it was listed again")

    monkeypatch.setattr(folder_index, "_list", fail)


def test_the_second_start_looks_at_folders_only(tree, kept, monkeypatch):
    first = index_of(tree)
    assert listing(first) == FILES
    assert len(list(kept.iterdir())) == 1
    forbid_listing(monkeypatch)
    looked, stat = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, *a, **k: looked.append(Path(path)) or stat(path, *a, **k))
    again = index_of(tree)
    assert listing(again) == FILES
    assert again.path(2) == first.path(2)
    in_tree = {path for path in looked if tree in (path, *path.parents)}
    assert in_tree == {tree, tree / "ant", tree / "ant/deep", tree / "bee"}


CHANGES = {
    "a file more": lambda tree: (tree / "ant" / "5.jpg").touch(),
    "a file less": lambda tree: (tree / "ant" / "deep" / "2.png").rename(tree / "ant" / "6.png"),
    "another name": lambda tree: (tree / "bee" / "3.JPEG").rename(tree / "bee" / "7.jpg"),
    "a class more": lambda tree: shutil.copytree(tree / "bee", tree / "cat"),
    "a class less": lambda tree: shutil.rmtree(tree / "bee"),
    "another folder of the same age": lambda tree: (
        (tree / "bee").rename(tree / "old"),
        shutil.copytree(tree / "old", tree / "bee"),
        shutil.rmtree(tree / "old"),
        (tree / "bee" / "8.jpg").touch(),
        age(tree),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_and_said(tree, change, caplog):
    index_of(tree)
    CHANGES[change](tree)
    with caplog.at_level(logging.WARNING):
        found = listing(index_of(tree))
    expected = {
        path.relative_to(tree).as_posix(): path.relative_to(tree).parts[0]
        for path in tree.rglob("*")
        if path.suffix.lower() in folder_index.SUFFIXES
    }
    assert found == expected
    (record,) = caplog.records
    assert "it is listed again" in record.getMessage()


def test_an_image_written_anew_needs_no_listing(tree, monkeypatch):
    index_of(tree)
    (tree / "ant" / "1.jpg").write_bytes(b"other")
    forbid_listing(monkeypatch)
    assert listing(index_of(tree)) == FILES


def test_a_folder_that_changed_just_before_is_not_trusted(tree, caplog):
    """A second change within the same tick of the clock would not show."""
    age(tree, 0)
    index_of(tree)
    before = (tree / "ant").stat()
    (tree / "ant" / "5.jpg").touch()
    os.utime(tree / "ant", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "ant/5.jpg" in listing(index_of(tree))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[data.index(b"3.JPEG")] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, lambda file: file.write_bytes(b""), lambda file: file.write_text("no")])
def test_a_damaged_listing_is_made_anew(tree, kept, damage, caplog, monkeypatch):
    index_of(tree)
    (file,) = kept.iterdir()
    damage(file)
    with caplog.at_level(logging.WARNING):
        assert listing(index_of(tree)) == FILES
    (record,) = caplog.records
    assert f"its listing {file} is damaged; it is listed again" in record.getMessage()
    forbid_listing(monkeypatch)
    assert listing(index_of(tree)) == FILES


def test_removing_the_kept_file_forces_a_listing(tree, kept, monkeypatch):
    index_of(tree)
    shutil.rmtree(kept)
    forbid_listing(monkeypatch)
    with pytest.raises(AssertionError, match="listed again"):
        index_of(tree)


def test_nothing_is_written_into_the_tree(tree):
    before = sorted(tree.rglob("*"))
    index_of(tree)
    assert sorted(tree.rglob("*")) == before


def test_a_cache_that_cannot_be_written_costs_only_time(tree, kept, caplog):
    kept.parent.write_text("a file is in the way")
    with caplog.at_level(logging.WARNING):
        assert listing(index_of(tree)) == FILES
    assert "its listing cannot be kept" in caplog.text


def test_few_images_are_not_kept(tree, kept, monkeypatch):
    monkeypatch.setattr(folder_index, "_WORTH_KEEPING", 5)
    index_of(tree)
    assert not kept.exists()


def test_where_listings_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("INCEPTION_JAX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "inception_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "inception_jax"


def test_links_are_followed_but_not_in_circles(tree, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "9.jpg").touch()
    (tree / "ant" / "linked").symlink_to(tmp_path / "elsewhere")
    assert listing(index_of(tree)) == FILES | {"ant/linked/9.jpg": "ant"}
    (tree / "bee" / "loop").symlink_to(tree / "bee")
    with pytest.raises(DataError, match="bee/loop is a link to a folder above it"):
        index_of(tree)
