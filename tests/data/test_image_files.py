"""Image files as a person names them: files, folders, patterns; in order, each once, with their class folders."""

import os

import numpy as np
import pytest
from PIL import Image

from inception_jax.data.decode import DecodeError
from inception_jax.data.files import find_images, source_of
from inception_jax.data.records import DataError

FILES = (
    "d.png",
    "cat/b.png",
    "cat/a.JPG",
    "cat/deep/c.jpeg",
    "dog/a.png",
    ".hidden/a.png",
    "dog/.a.png",
    "dog/notes.txt",
)


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(FILES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no image")
        else:
            Image.fromarray(np.full((2, 2, 3), number, np.uint8)).save(path)
    return tmp_path


def names(folder, *given):
    return [str(file.path.relative_to(folder)) for file in find_images([str(folder / name) for name in given])]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["."], ["cat/a.JPG", "cat/b.png", "cat/deep/c.jpeg", "d.png", "dog/a.png"]),
        (["dog", "cat/b.png", "dog"], ["dog/a.png", "cat/b.png", "dog/a.png"]),
        (["*/a.*"], ["cat/a.JPG", "dog/a.png"]),
        (["*"], ["d.png", "cat/a.JPG", "cat/b.png", "cat/deep/c.jpeg", "dog/a.png"]),
        (["**"], ["cat/a.JPG", "cat/b.png", "cat/deep/c.jpeg", "d.png", "dog/a.png"]),
        (["**/c*"], ["cat/deep/c.jpeg"]),
        (["dog/.a.png", "missing.png"], ["dog/.a.png", "missing.png"]),
    ],
)
def test_what_is_named_is_found(folder, given, found):
    assert names(folder, *given) == found


def test_a_name_with_magic_signs_is_a_name_first(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a[1].png")
    Image.new("RGB", (2, 2)).save(tmp_path / "a1.png")
    assert names(tmp_path, "a[1].png") == ["a[1].png"]


def test_home_is_understood(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert [file.path for file in find_images(["~/dog"])] == [folder / "dog/a.png"]
    assert [file.path for file in find_images(["~/d*.png"])] == [folder / "d.png"]


@pytest.mark.parametrize("given", ["empty", "*.gif", "dog/*.txt", "nowhere/*"])
def test_nothing_found_is_an_error_that_says_so(folder, given):
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"(holds|matches) no image") as caught:
        find_images([str(folder / given)])
    assert str(folder / given) in str(caught.value)


def test_labels_are_the_class_folders_of_a_folder_that_is_named(folder):
    os.remove(folder / "d.png")
    source = source_of(find_images([str(folder)]))
    assert source.class_names == ("cat", "dog")
    assert [source[i].label for i in range(len(source))] == [0, 0, 0, 1]
    assert source[3].image == (folder / "dog/a.png").read_bytes()
    assert source[3].name == str(folder / "dog/a.png")


@pytest.mark.parametrize("given", [["."], ["dog", "cat"], ["*/a.*"], ["dog/a.png"]])
def test_without_class_folders_there_is_no_label(folder, given):
    source = source_of(find_images([str(folder / name) for name in given]))
    assert source.class_names == ("",)
    assert {source[i].label for i in range(len(source))} == {0}


def test_linked_class_folders_are_followed(folder, tmp_path_factory):
    linked = tmp_path_factory.mktemp("linked")
    (linked / "cats").symlink_to(folder / "cat")
    assert [file.class_name for file in find_images([str(linked)])] == ["cats"] * 3


def test_names_that_are_given_win(folder):
    source = source_of(find_images([str(folder / "cat")]), ("x", "y"))
    assert (source.class_names, source[0].label) == (("x", "y"), 0)


def test_a_file_that_cannot_be_read_is_named(folder):
    source = source_of(find_images([str(folder / "missing.png")]))
    with pytest.raises(DecodeError, match=r"missing\.png: cannot be read: No such file"):
        source[0]
