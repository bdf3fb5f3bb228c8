"""Results as files: formats by suffix, never over another file, whole or not at all."""

import csv
import json
import os

import pytest

from inception_jax.reporting import files
from inception_jax.reporting.files import OutputFileError

ROWS = [{"name": "a", "images": 3}, {"name": "b, c", "images": 4}]


def test_the_suffix_says_the_format(tmp_path):
    paths = {suffix: tmp_path / f"rows{suffix}" for suffix in files.FORMATS}
    for path in paths.values():
        files.require_new(path)
        files.write_rows(path, ROWS, ["name", "images"])
    assert json.loads(paths[".json"].read_text()) == ROWS
    with paths[".csv"].open() as file:
        assert list(csv.DictReader(file)) == [{"name": "a", "images": "3"}, {"name": "b, c", "images": "4"}]
    assert paths[".md"].read_text().splitlines()[0] == "| name | images |"
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in paths.values()), "nothing else is left"


def test_what_cannot_be_written_is_named_beforehand(tmp_path):
    taken = tmp_path / "taken.csv"
    taken.write_text("mine")
    for path, words in {
        tmp_path / "rows.xml": "rows.xml: the name must end in .csv or .json or .md",
        tmp_path / "rows": "rows: the name must end in .csv",
        taken: "taken.csv is there already and is not overwritten; name another file or remove it",
        tmp_path / "no" / "rows.csv": f"there is no folder {tmp_path / 'no'}",
    }.items():
        with pytest.raises(OutputFileError) as error:
            files.require_new(path)
        assert words in str(error.value)
        assert "\n" not in str(error.value)
    files.require_new(tmp_path / "rows.npz", (".npz",))


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "rows.csv"
    files.require_new(path)
    path.write_text("somebody else's")
    with pytest.raises(OutputFileError, match="is there already"):
        files.write_rows(path, ROWS, ["name"])
    assert path.read_text() == "somebody else's"
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_what_fails_halfway_leaves_nothing(tmp_path):
    def fill_the_disk():
        with files.new_file(tmp_path / "rows.npz") as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputFileError, match=r"rows\.npz cannot be written: No space left"):
        fill_the_disk()
    assert os.listdir(tmp_path) == []


def test_a_folder_that_went_away_is_named(tmp_path):
    with pytest.raises(OutputFileError, match="cannot be written: No such file or directory"):
        files.write_rows(tmp_path / "gone" / "rows.csv", ROWS, ["name"])
