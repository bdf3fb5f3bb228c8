"""`inception-jax evaluate` with the papers' protocols: what is printed, the files that it writes, and its refusals."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from inception_jax import models
from inception_jax.cli.main import main
from tests.fake_network import FakeNetwork

QUICKSTART = Path(__file__).parents[2] / "experiments/quickstart/digits.py"
CHANGES = ("model.aux=false", "data.eval_split=test[:40]", "steps=30", "evaluation.every_epochs=0", "batch_size=16")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of a network small enough to be evaluated in a second, under the name of the quickstart's."""
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "create", lambda *_, **__: FakeNetwork())
        flags = [f"--config.{change}" for change in (*CHANGES, "evaluation.batch_size=96")]
        assert main(["train", f"--config={QUICKSTART}", *flags, f"--workdir={workdir}"]) == 0
        yield workdir


def evaluate(capsys, workdir, *flags):
    """Standard output and standard error of an evaluation that succeeds."""
    capsys.readouterr()
    assert main(["evaluate", f"--workdir={workdir}", *map(str, flags)]) == 0
    return capsys.readouterr()


def fails(capsys, workdir, *flags):
    """The one line that is left on standard error."""
    capsys.readouterr()
    assert main(["evaluate", f"--workdir={workdir}", *map(str, flags)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    return line.removeprefix("inception-jax evaluate: ")


def test_the_files_give_back_what_is_printed(workdir, capsys, tmp_path):
    names = {"predictions": "p.csv", "per-class": "c.json", "confusions": "m.csv"}
    flags = [f"--{flag}={tmp_path / name}" for flag, name in names.items()]
    printed = evaluate(capsys, workdir, "--protocol=144", "--format=json", *flags)
    [row] = json.loads(printed.out)
    assert (row["protocol"], row["average"], row["views"], row["images"]) == ("144", "probabilities", 144, 40)
    with (tmp_path / "p.csv").open() as file:
        images = list(csv.DictReader(file))
    assert [image["image"] for image in images[:2]] == ["digits[4]", "digits[9]"], "every fifth is held out"
    wrong = {
        1: sum(image["label"] != image["class_1"] for image in images),
        5: sum(image["label"] not in [image[f"class_{place}"] for place in range(1, 6)] for image in images),
    }
    assert 0 < wrong[5] < wrong[1] < 40, "the run has learnt something, and not all"
    for place, count in wrong.items():
        assert row[f"top{place}_error"] == count / 40
        assert row[f"top{place}"] == 1 - count / 40
        interval = stats.binomtest(count, 40).proportion_ci(0.95, method="wilson")
        found = row[f"top{place}_error_low"], row[f"top{place}_error_high"]
        assert found == pytest.approx((interval.low, interval.high))
    classes = json.loads((tmp_path / "c.json").read_text())
    assert sum(each["images"] * each["top1"] for each in classes) == pytest.approx(40 - wrong[1])
    with (tmp_path / "m.csv").open() as file:
        assert sum(int(pair["images"]) for pair in csv.DictReader(file)) == wrong[1]
    assert printed.err.splitlines()[-1].startswith("40 images in ")
    assert printed.err.splitlines()[-1].endswith(" views/s")


@pytest.mark.parametrize("protocol", ["10", "12"])
def test_the_archive_can_be_averaged_later(workdir, capsys, tmp_path, protocol):
    found, loss = {}, 0.0
    for average in ("probabilities", "logits"):
        path = tmp_path / f"{average}.npz"
        flags = [f"--average={average}", f"--predictions={path}", "--format=csv"]
        [row] = csv.DictReader(io.StringIO(evaluate(capsys, workdir, f"--protocol={protocol}", *flags).out))
        with np.load(path) as archive:
            found[average] = dict(archive)
        labels, probabilities = found[average]["labels"], found[average]["probabilities"]
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert float(row["top1"]) == (probabilities.argmax(axis=1) == labels).mean()
        loss = -np.log(probabilities[np.arange(40), labels]).mean()
        assert float(row["loss"]) == pytest.approx(loss, rel=1e-5)
        about = json.loads(str(found[average]["about"]))
        assert (about["protocol"], about["average"], about["views"]) == (protocol, average, int(protocol))
    first, second = found.values()
    np.testing.assert_array_equal(first["images"], second["images"])
    assert np.abs(first["probabilities"] - second["probabilities"]).max() > 1e-6


def test_a_table_shows_each_error_with_its_interval(workdir, capsys):
    [row] = json.loads(evaluate(capsys, workdir, "--format=json").out)
    assert (row["protocol"], row["average"], row["views"]) == ("single", None, 1)
    table = evaluate(capsys, workdir).out
    for name in ("top1_error", "top5_error"):
        value, low, high = (100 * row[key] for key in (name, f"{name}_low", f"{name}_high"))
        assert f"{value:.2f} ({low:.2f} to {high:.2f})" in table
    assert "average" not in table
    assert "| top-5 error (95 %) |" in evaluate(capsys, workdir, "--format=markdown").out


def test_the_flags_and_the_config_mean_the_same(workdir, capsys):
    flags = ["--config.evaluation.protocol=10", "--config.evaluation.average=max", "--config.evaluation.batch_size=10"]
    by_config = json.loads(evaluate(capsys, workdir, *flags, "--format=json").out)
    assert by_config == json.loads(evaluate(capsys, workdir, "--protocol=10", "--average=max", "--format=json").out)
    assert by_config[0]["average"] == "max"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--protocol=13"], "config.evaluation.protocol must be one of single, 10, 12, 144, got '13'"),
        (["--average=median"], "config.evaluation.average must be one of probabilities, logits, max, got 'median'"),
        (["--protocol=144", "--config.evaluation.scales=15,18,20,22"], "15 is below config.data.image_size (16)"),
        (["--protocol=144", "--config.evaluation.scales=soeaver"], "is for config.data.image_size 299, not 16"),
        (["--protocol=144", "--config.evaluation.square=warp"], "'warp' is for protocols 10 and 12"),
        (["--predictions={folder}/p.txt"], "p.txt: the name must end in .csv or .json or .md or .npz"),
        (["--per-class={folder}/p.npz"], "p.npz: the name must end in .csv or .json or .md"),
        (["--confusions={folder}/no/p.csv"], "there is no folder {folder}/no"),
        (["--predictions={folder}/mine.csv"], "mine.csv is there already and is not overwritten"),
        (["--predictions={folder}/a.csv", "--per-class={folder}/a.csv"], "a.csv is named twice"),
    ],
)
def test_a_mistake_is_named_before_anything_is_computed(workdir, capsys, tmp_path, flags, words):
    (tmp_path / "mine.csv").write_text("mine")
    message = fails(capsys, workdir, *(flag.format(folder=tmp_path) for flag in flags))
    assert words.format(folder=tmp_path) in message
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_result_is_printed_though_its_file_cannot_be_written(workdir, capsys, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    capsys.readouterr()
    path = tmp_path / "p.npz"
    assert main(["evaluate", f"--workdir={workdir}", f"--predictions={path}"]) == 2
    captured = capsys.readouterr()
    assert "test[:40]" in captured.out
    assert captured.err.splitlines()[-1] == f"inception-jax evaluate: {path} cannot be written: No space left on device"
    assert not list(tmp_path.iterdir())
