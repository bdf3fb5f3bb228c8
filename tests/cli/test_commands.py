"""The commands as a user runs them: one small run, what is made of it, and what is said of mistakes."""

import contextlib
import csv
import io
import json
import re
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from inception_jax import models
from inception_jax.cli import train as train_command
from inception_jax.cli.main import COMMANDS, main
from inception_jax.training.trained import load_trained
from tests.fake_network import FakeNetwork

QUICKSTART = Path(__file__).parents[2] / "experiments/quickstart/digits.py"
CHANGES = (
    "model.width=0.05",
    "model.modules=2",
    "model.aux=false",
    "data.eval_split=test[:40]",
    "batch_size=16",
    "steps=6",
    "evaluation.every_epochs=0",
    "evaluation.batch_size=16",
    "checkpoint.every_epochs=0",
    "log.every_steps=2",
)
SIZE = 16  # of the quickstart's images


def train(workdir, *flags):
    changes = [f"--config.{change}" for change in CHANGES]
    return main(["train", f"--config={QUICKSTART}", *changes, f"--workdir={workdir}", *flags])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert train(workdir) == 0
    return workdir, out.getvalue()


@pytest.fixture
def workdir(run):
    return run[0]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Files whose pixels reach the network unchanged: of its own size, stored without loss."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    pixels = {
        folder / "single.png": rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8),
        folder / "folder" / "a.png": rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8),
        folder / "folder" / "deeper" / "grey.png": rng.integers(0, 256, (SIZE, SIZE), np.uint8),
    }
    for path, values in pixels.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    (folder / "folder" / "notes.txt").write_text("no image")
    (folder / "corrupt.png").write_bytes((folder / "single.png").read_bytes()[:200])
    return folder, {path: v if v.ndim == 3 else np.stack([v] * 3, axis=-1) for path, v in pixels.items()}


def fails(capsys, arguments, code=2):
    """The one line that a command which fails leaves on standard error."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    prefix = f"inception-jax {arguments[0]}: "
    assert lines[0].startswith(prefix)
    return lines[0].removeprefix(prefix)


def output(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_train_says_what_came_out_and_what_is_next(run):
    workdir, printed = run
    results = json.loads((workdir / "results.json").read_text())
    assert f"test[:40] top-1 {100 * results['validation/top1']:.2f}%" in printed
    assert "40 images, 6 steps" in printed
    assert f"next: inception-jax evaluate --workdir={workdir} --split=test[:40]" in printed


def test_training_again_prints_the_same_and_changes_nothing(run, capsys):
    workdir, printed = run
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
    assert train(workdir) == 0
    assert capsys.readouterr().out == printed
    assert {path: path.stat().st_mtime_ns for path in workdir.rglob("*")} == before


def test_evaluate_finds_the_numbers_of_training(workdir, capsys):
    results = json.loads((workdir / "results.json").read_text())
    [row] = json.loads(output(capsys, "evaluate", "--workdir", workdir, "--format=json"))
    names = ("loss", "top1", "top5", "images")
    assert {name: row[name] for name in names} == {name: results[f"validation/{name}"] for name in names}
    assert (row["step"], row["split"], row["images"]) == (6, "test[:40]", 40)
    table = output(capsys, "evaluate", "--workdir", workdir, "--checkpoint=newest").split()
    assert {"loss", "top1", "top5", "images", "40", f"{results['validation/loss']:.4g}"} <= set(table)


def test_evaluate_takes_another_split_and_other_batches(workdir, capsys):
    arguments = ["evaluate", "--workdir", workdir, "--checkpoint=6", "--format=csv"]
    images = correct = 0
    for split in ("test[:24]", "test[24:40]"):
        flags = ["--split", split, "--config.evaluation.batch_size=8"]
        [row] = csv.DictReader(io.StringIO(output(capsys, *arguments, *flags)))
        assert row["split"] == split
        images += int(row["images"])
        correct += float(row["top1"]) * int(row["images"])
    results = json.loads((workdir / "results.json").read_text())
    assert images == 40
    assert correct == pytest.approx(40 * results["validation/top1"], abs=1e-9)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config.model.width=0.5"], "config.model.width was 0.05"),
        (["--checkpoint=5"], "has no checkpoint of step 5; it has 6"),
        (["--split=tset"], "digits has no split 'tset'"),
        (["--config.data.eval_crop=2"], "config.data.eval_crop must lie in [0.01, 1], got 2.0"),
    ],
)
def test_evaluate_names_what_a_run_does_not_have(workdir, capsys, flags, words):
    assert words in fails(capsys, ["evaluate", "--workdir", workdir, *flags])


@pytest.mark.parametrize("command", [["evaluate"], ["predict", "x.png"]])
def test_a_directory_without_a_run_is_named(tmp_path, capsys, command):
    message = fails(capsys, [*command, "--workdir", tmp_path])
    assert message == f"{tmp_path} is not a run directory: it has no config.json"


def test_evaluate_refuses_images_of_other_classes(workdir, tmp_path, capsys):
    (tmp_path / "cat").mkdir()
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "cat" / "a.png")
    flags = [f"--config.data.source=folder:{tmp_path}", "--split=all"]
    message = fails(capsys, ["evaluate", "--workdir", workdir, *flags])
    assert "have other classes (1)" in message
    assert "trained on (10)" in message


def test_predictions_are_the_networks_own(workdir, pictures, capsys):
    folder, pixels = pictures
    files = [folder / "single.png", folder / "folder"]
    rows = json.loads(
        output(capsys, "predict", "--workdir", workdir, "--top=10", "--batch-size=2", "--format=json", *files)
    )
    assert [row["image"] for row in rows[::10]] == [
        str(folder / name) for name in ("single.png", "folder/a.png", "folder/deeper/grey.png")
    ]
    trained = load_trained(workdir)
    images = jnp.asarray(np.stack(list(pixels.values())) / 127.5 - 1, jnp.float32)
    logits = jax.jit(trained.network.apply)(trained.variables, images).logits
    for path, expected in zip(pixels, np.asarray(jax.nn.softmax(logits)), strict=True):
        found = [row for row in rows if row["image"] == str(path)]
        assert [row["rank"] for row in found] == list(range(1, 11))
        assert found[0]["class"] == str(np.argmax(expected))
        assert sorted(row["class"] for row in found) == list("0123456789")
        probabilities = [row["probability"] for row in found]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(probabilities, -np.sort(-expected), rtol=1e-4, err_msg=str(path))


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_classified(workdir, pictures, capsys, caplog):
    folder, _ = pictures
    files = [folder / name for name in ("corrupt.png", "missing.png", "single.png", "single.png")]
    assert main(["predict", "--workdir", str(workdir), "--top=1", "--format=csv", *map(str, files)]) == 2
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert [row["image"] for row in rows] == [str(folder / "single.png")] * 2
    assert captured.err.splitlines()[-1] == "inception-jax predict: 2 of 4 images could not be read"
    errors = [record.getMessage() for record in caplog.records]
    assert len(errors) == 2
    assert errors[0].startswith(f"{folder / 'corrupt.png'}: damaged")
    assert errors[1] == f"{folder / 'missing.png'}: cannot be read: No such file or directory"


def test_a_folder_without_images_is_named(workdir, tmp_path, capsys):
    assert fails(capsys, ["predict", "--workdir", workdir, tmp_path]).startswith(f"{tmp_path} holds no image")


@pytest.mark.parametrize(
    ("network", "parameters", "with_heads"),
    [("googlenet", 6_998_552, 13_378_280), ("inception_v3", 23_817_352, 27_143_152)],
)
def test_describe_counts_the_parameters_of_the_public_networks(network, parameters, with_heads, capsys):
    flags = ["--variant=slim"] if network == "inception_v3" else []
    rows = json.loads(output(capsys, "describe", network, *flags, "--format=json"))
    totals = {row["layer"]: row for row in rows if row["layer"].startswith("total")}
    assert totals["total, as used"]["parameters"] == parameters
    assert totals["total, in training"]["parameters"] == with_heads
    layers = [row for row in rows if not row["layer"].startswith("total")]
    assert sum(row["parameters"] for row in layers) == with_heads


def test_describe_takes_an_experiment_and_its_changes(capsys):
    flags = [f"--config={QUICKSTART}", "--config.model.aux=false", "--num-classes=7", "--format=json"]
    rows = json.loads(output(capsys, "describe", *flags))
    by_layer = {row["layer"]: row for row in rows}
    assert by_layer["conv1"]["output"] == "8x8x16"  # stride 2 on 16x16, a quarter of 64 channels
    assert by_layer["logits"]["output"] == "7"
    assert "total, in training" not in by_layer
    table = output(capsys, "describe", *flags[:3])
    assert "googlenet paper, width 0.25, 16x16x3; smallest input" in table


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gogglenet"], "no network is called 'gogglenet'; did you mean googlenet?"),
        (["googlenet", "--variant=slin"], "did you mean slim?"),
        (
            ["inception_v3", "--image-size=74"],
            "image_size (74) is too small for inception_v3, whose smallest input is 75",
        ),
        (["googlenet", "--image-size=0"], "config.data.image_size must lie in [1, 4096], got 0"),
        (["googlenet", "--width=9"], "config.model.width must lie in [0.01, 8], got 9.0"),
        (["googlenet", "--num-classes=-1"], "num_classes must be 0 or more, got -1"),
        ([], "name either a network or an experiment"),
        (["googlenet", f"--config={QUICKSTART}"], "name either a network or an experiment"),
        ([f"--config={QUICKSTART}", "--width=0.5"], "--config.model.width"),
        ([f"--config={QUICKSTART}", "--config.model.options.stem_pool=1"], "did you mean stem_pools?"),
    ],
)
def test_describe_names_what_is_wrong(arguments, words, capsys):
    assert words in fails(capsys, ["describe", *arguments])


def test_the_smallest_input_that_describe_names_is_accepted(capsys):
    rows = json.loads(output(capsys, "describe", "inception_v3", "--image-size=75", "--width=0.1", "--format=json"))
    assert any(row["output"] and row["output"].startswith("1x1x") for row in rows)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config.data.source=tfds:nope", "--config.data.data_dir={empty}"], "tfds:nope is not in {empty}; prepare"),
        (["--config.data.source=folder:{empty}", "--config.data.train_split=all"], "{empty} has no class folders"),
        (["--config.optimizer.lerning_rate=1"], "did you mean config.optimizer.learning_rate?"),
        (["--config.model.name=gogglenet"], "did you mean googlenet?"),
        (["--config.batch_size=20"], "config.batch_size (20) must be a multiple of 8"),
        (["--config.data.eval_split=tset"], "digits has no split 'tset'"),
    ],
)
def test_train_names_a_mistake_before_it_makes_anything(flags, words, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    empty = str(tmp_path / "empty")
    flags = [flag.format(empty=empty) for flag in flags]
    arguments = ["train", f"--config={QUICKSTART}", f"--workdir={tmp_path / 'run'}", *flags]
    assert words.format(empty=empty) in fails(capsys, arguments)
    assert not (tmp_path / "run").exists()


def test_train_refuses_the_directory_of_another_experiment(workdir, capsys):
    changes = [f"--config.{change}" for change in (*CHANGES, "seed=5", "optimizer.learning_rate=0.5")]
    before = (workdir / "config.json").read_bytes()
    message = fails(capsys, ["train", f"--config={QUICKSTART}", *changes, f"--workdir={workdir}"])
    assert "seed: 0 -> 5, optimizer.learning_rate: 0.02 -> 0.5" in message
    assert (workdir / "config.json").read_bytes() == before


def test_train_refuses_a_directory_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    message = fails(
        capsys, ["train", f"--config={QUICKSTART}", "--config.batch_size=32", f"--workdir={tmp_path}/file/run"]
    )
    assert message.startswith(f"{tmp_path}/file/run cannot be written: Not a directory")


def test_training_that_diverges_fails_and_names_the_step(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(models, "create", lambda *_, **__: FakeNetwork(norm=False))
    changes = ["optimizer.learning_rate=1e3", "optimizer.momentum=0.99", "schedule.warmup_epochs=0", "steps=400"]
    assert train(tmp_path / "run", *(f"--config.{change}" for change in changes)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"inception-jax train: step \d+ gave a loss, gradient or parameter that is not finite", last)
    assert "no checkpoint was saved" in last
    assert not (tmp_path / "run" / "results.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["trian"], "trian"),
        (["train", f"--config={QUICKSTART}"], "--workdir"),
        (["evaluate", "--workdir=a", "--checkpoint=last"], "best, newest or a step, not 'last'"),
        (["predict", "--workdir=a", "x.png", "--top=0"], "a number above 0, not '0'"),
        (["predict", "--workdir=a", "x.png", f"--config={QUICKSTART}"], "predict takes no --config"),
        (["describe", "googlenet", "--format=xml"], "xml"),
        (["evaluate", "--work=a"], "--workdir"),  # no abbreviations
    ],
)
def test_a_wrong_flag_exits_with_its_name(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert COMMANDS[command].split()[0].lower() in capsys.readouterr().out.lower()


def test_warnings_are_one_line_and_the_callers_way_to_show_them_comes_back(tmp_path, capsys, monkeypatch):
    def warn(config, workdir):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("mind the gap", UserWarning, stacklevel=1)
        raise KeyboardInterrupt

    before = warnings.showwarning
    monkeypatch.setattr(train_command, "train", warn)
    assert main(["train", f"--config={QUICKSTART}", f"--workdir={tmp_path}"]) == 130
    assert capsys.readouterr().err.splitlines() == ["warning: mind the gap", "inception-jax train: interrupted"]
    assert warnings.showwarning is before
