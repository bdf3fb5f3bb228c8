"""Every weights file of a folder in one table: the numbers of `evaluate`, kept, and no file ends the others' turn."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax.cli import validate_all
from inception_jax.cli.main import main
from inception_jax.reporting.validations import COLUMNS
from inception_jax.weights.checkpoint import Meta, save_checkpoint, sidecar_of
from inception_jax.weights.preprocessing import Preprocessing
from tests.fake_network import FakeNetwork

DATA = ("--data=digits", "--split=test[:40]", "--config.evaluation.batch_size=16")
META = Meta("googlenet", "slim", 10, False, Preprocessing(16), class_names=tuple("0123456789"))


pytestmark = pytest.mark.usefixtures("fake_networks")


@pytest.fixture(scope="module")
def variables():
    made = FakeNetwork(10, aux=False).init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    return [jax.tree.map(lambda leaf, n=n: np.asarray(leaf) * (1 + n * (leaf.ndim == 2)), made) for n in (0, -2)]


@pytest.fixture
def folder(variables, tmp_path) -> Path:
    save_checkpoint(tmp_path / "a.safetensors", variables[0], replace(META, accuracy=(50.0, 90.0), source="slim/x"))
    (tmp_path / "deeper").mkdir()
    save_checkpoint(tmp_path / "deeper/b.safetensors", variables[1], META)
    return tmp_path


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "validations.csv").open() as file:
        return {row["weights"]: row for row in csv.DictReader(file)}


def validate(folder: Path, *more: str) -> int:
    return main(["validate-all", str(folder), *DATA, *more])


def test_every_file_has_the_numbers_of_evaluate(folder, capsys):
    assert validate(folder) == 0
    shown = capsys.readouterr()
    found = rows(folder)
    assert list(found) == ["a.safetensors", "deeper/b.safetensors"]
    for name, row in found.items():
        capsys.readouterr()
        assert main(["evaluate", f"--weights={folder / name}", *DATA, "--format=json"]) == 0
        [alone] = json.loads(capsys.readouterr().out)
        assert int(row["images"]) == alone["images"] == 40
        for share in ("top1", "top5"):
            assert float(row[share]) == pytest.approx(100 * alone[share])
            assert float(row[f"{share}_low"]) == pytest.approx(100 * (1 - alone[f"{share}_error_high"]))
            assert float(row[f"{share}_high"]) == pytest.approx(100 * (1 - alone[f"{share}_error_low"]))
    assert found["a.safetensors"]["top1"] != found["deeper/b.safetensors"]["top1"]
    first = found["a.safetensors"]
    assert float(first["top5_published"]) == 90
    assert float(first["top5_difference"]) == pytest.approx(float(first["top5"]) - 90)
    assert (first["source"], first["size"], first["protocol"], first["error"]) == ("slim/x", "16", "single", "")
    assert found["deeper/b.safetensors"]["top1_published"] == ""
    markdown = (folder / "validations.md").read_text()
    assert "published top-1" in markdown
    assert f"{float(first['top1']) - 50:+.2f}" in markdown
    assert "a.safetensors (1 of 2)" in shown.err
    assert "top-1 % (95 %)" in shown.out


def test_what_is_there_is_not_computed_again(folder, monkeypatch, capsys):
    assert validate(folder) == 0
    before = (folder / "validations.csv").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(validate_all, "load_weights", lambda *_: 1 / 0)
        assert validate(folder) == 0
        assert (folder / "validations.csv").read_bytes() == before
        assert validate(folder, "--config.data.eval_crop=0.5") == 2  # other pixels
    assert {row["error"] for row in rows(folder).values()} == {"ZeroDivisionError: division by zero"}
    assert validate(folder) == 0, "errors are tried again"
    assert (folder / "validations.csv").read_bytes() == before
    sidecar = sidecar_of(folder / "a.safetensors")
    sidecar.write_text(sidecar.read_text().replace("slim/x", "slim/y"))
    assert validate(folder) == 0
    assert rows(folder)["a.safetensors"]["source"] == "slim/y"
    capsys.readouterr()


def test_another_protocol_is_another_row_without_a_published_value(folder):
    assert validate(folder) == 0
    assert validate(folder, "--protocol=10") == 0
    with (folder / "validations.csv").open() as file:
        found = [row for row in csv.DictReader(file) if row["weights"] == "a.safetensors"]
    assert [(row["protocol"], row["top1_published"]) for row in found] == [("10", ""), ("single", "50.0")]


def test_a_file_that_fails_is_a_row(folder, variables, capsys):
    (folder / "cut.safetensors").write_bytes((folder / "a.safetensors").read_bytes()[:-1])
    sidecar_of(folder / "cut.safetensors").write_text(sidecar_of(folder / "a.safetensors").read_text())
    (folder / "lonely.safetensors").write_bytes(b"")
    (folder / ".part.safetensors").write_bytes(b"")
    features = {"params": {"conv": variables[0]["params"]["conv"], "norm": variables[0]["params"]["norm"]}}
    save_checkpoint(folder / "f.safetensors", features | {"batch_stats": variables[0]["batch_stats"]}, META)
    assert validate(folder) == 2
    found = rows(folder)
    assert set(found) == {f"{name}.safetensors" for name in ("a", "deeper/b", "cut", "lonely", "f")}
    assert "is damaged" in found["cut.safetensors"]["error"]
    assert "cannot be read" in found["lonely.safetensors"]["error"]
    assert "does not hold the variables" in found["f.safetensors"]["error"]
    assert found["a.safetensors"]["error"] == found["deeper/b.safetensors"]["error"] == ""
    assert "is damaged" in capsys.readouterr().err
    assert "is damaged" in (folder / "validations.md").read_text()


def test_a_feature_extractor_is_an_error_of_its_row(folder, variables):
    params = {name: value for name, value in variables[0]["params"].items() if name != "logits"}
    meta = replace(META, num_classes=0, class_names=())
    save_checkpoint(folder / "f.safetensors", variables[0] | {"params": params}, meta)
    assert validate(folder) == 2
    assert rows(folder)["f.safetensors"]["error"] == "it is a feature extractor without a classifier"


@pytest.mark.parametrize(
    ("files", "flags", "message"),
    [
        ({}, [], "holds no .safetensors file"),
        ({"a.safetensors": ""}, ["--data=folder:none"], "none"),
        ({"a.safetensors": ""}, ["--split=nothing"], "digits has no split"),
        ({"a.safetensors": ""}, ["--protocol=11"], "config.evaluation.protocol must be one of"),
        ({"a.safetensors": "", "validations.csv": "my,table\n1,2\n"}, [], "is no table of validations"),
        ({"a.safetensors": "", "validations.md": "mine"}, [], "validations.md is there already"),
        ({"a.safetensors": ""}, ["--out=x.json"], "must end in .csv"),
    ],
)
def test_a_mistake_is_told_before_the_work(files, flags, message, tmp_path, capsys):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert main(["validate-all", str(tmp_path), "--data=digits", "--split=test[:40]", *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_json_and_csv_have_every_column(folder, capsys):
    for format in ("json", "csv"):
        capsys.readouterr()
        assert validate(folder, f"--format={format}") == 0
        out = capsys.readouterr().out
        header = json.loads(out)[0] if format == "json" else out.splitlines()[0].split(",")
        assert tuple(header) == COLUMNS
