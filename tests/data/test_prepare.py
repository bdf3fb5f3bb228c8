"""The archives that people download: found, counted and looked into before TFDS is asked for anything."""

import tarfile

import pytest

from inception_jax.cli.main import main
from inception_jax.data.prepare import base_name, build, find_archives
from inception_jax.data.records import DataError
from tests import miniature


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    miniature.write(folder)
    return folder


def test_archives_are_counted(archives):
    train, validation = find_archives("imagenet2012", archives)
    assert (train.path.name, train.split, train.images, train.classes) == ("ILSVRC2012_img_train.tar", "train", 16, 4)
    assert (validation.split, validation.images, validation.classes) == ("validation", 6, None)
    assert find_archives("imagenet2012_real", archives) == [validation]
    assert find_archives("imagenet_v2/matched-frequency", archives) == []


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ([], "ILSVRC2012_img_train.tar (147.9 GB), ILSVRC2012_img_val.tar (6.7 GB)"),
        (["ILSVRC2012_img_train.tar"], "ILSVRC2012_img_val.tar (6.7 GB)"),
    ],
)
def test_every_missing_archive_is_named_and_where_it_is_to_be_had(archives, tmp_path, there, named):
    for name in there:
        (tmp_path / name).write_bytes((archives / name).read_bytes())
    with pytest.raises(DataError) as error:
        find_archives("imagenet2012", tmp_path)
    assert f"{tmp_path} lacks {named}; download from https://image-net.org/download-images" in str(error.value)


def cut_short(folder, name: str, size: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize(("archive", "size"), [("val", 2000), ("val", 0), ("train", 9000)])
def test_a_truncated_archive_is_named(tmp_path, archive, size):
    miniature.write(tmp_path)
    path = tmp_path / f"ILSVRC2012_img_{archive}.tar"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"{archive}\.tar is truncated, damaged or no tar \(.*\); download it again"):
        find_archives("imagenet2012", tmp_path)


def test_a_page_that_was_saved_as_an_archive_is_named(tmp_path):
    miniature.write(tmp_path)
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(b"<html>" * 500)
    with pytest.raises(DataError, match=r"val\.tar is truncated, damaged or no tar"):
        find_archives("imagenet2012", tmp_path)


def test_a_tar_of_images_is_no_tar_of_classes(archives, tmp_path):
    for name, source in (("train", "val"), ("val", "val")):
        data = (archives / f"ILSVRC2012_img_{source}.tar").read_bytes()
        (tmp_path / f"ILSVRC2012_img_{name}.tar").write_bytes(data)
    with pytest.raises(DataError, match=r"holds 'ILSVRC2012_val_.*; it must hold one tar a class, such as n01440764"):
        find_archives("imagenet2012", tmp_path)


def test_an_empty_class_is_named(archives, tmp_path):
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes((archives / "ILSVRC2012_img_val.tar").read_bytes())
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with tarfile.open(tmp_path / "ILSVRC2012_img_train.tar", "w") as outer:
        outer.add(tmp_path / "empty.tar", "n01440764.tar")
    with pytest.raises(DataError, match=r"train\.tar: n01440764\.tar is empty"):
        find_archives("imagenet2012", tmp_path)


def test_an_unknown_data_set_is_named(capsys, tmp_path):
    with pytest.raises(DataError, match="'imagenet21k' is none of imagenet2012, imagenet2012_real, imagenet_v2"):
        base_name("imagenet21k")
    assert main(["prepare", "mnist", f"--manual-dir={tmp_path}"]) == 2
    assert "'mnist' is none of" in capsys.readouterr().err


def test_without_tensorflow_the_extra_is_named(archives, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"needs TensorFlow: pip install 'inception-jax\[prepare\]'$"):
        build("imagenet2012", archives, str(tmp_path), find_archives("imagenet2012", archives))
