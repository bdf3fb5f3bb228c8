"""A weights file in place of a run: the same answers, its own preprocessing, no class for the background."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from inception_jax.cli.main import main
from inception_jax.data import imagenet
from inception_jax.training.trained import load_trained, load_weights
from inception_jax.weights.checkpoint import BadCheckpoint, Meta, save_checkpoint, sidecar_of
from inception_jax.weights.preprocessing import of_data

QUICKSTART = Path(__file__).parents[2] / "experiments/quickstart/digits.py"
CHANGES = ("model.aux=false", "data.eval_split=test[:40]", "steps=30", "evaluation.every_epochs=0", "batch_size=16")
DIGITS = tuple("0123456789")


pytestmark = pytest.mark.usefixtures("fake_networks")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    flags = [f"--config.{change}" for change in CHANGES]
    assert main(["train", f"--config={QUICKSTART}", *flags, f"--workdir={workdir}"]) == 0
    return workdir


@pytest.fixture(scope="module")
def variables(workdir):
    return jax.tree.map(np.asarray, load_trained(workdir).variables)


@pytest.fixture(scope="module")
def meta(workdir):
    """What a converted file of the run would say."""
    pixels = of_data(load_trained(workdir).config.data)
    return Meta("googlenet", "slim", 10, False, pixels, class_names=DIGITS, source="slim/inception_v1")


@pytest.fixture(scope="module")
def weights(variables, meta, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_checkpoint(path, variables, meta)
    return path


@pytest.fixture(scope="module")
def with_background(variables, meta, tmp_path_factory):
    """The same network with a class in front that outdoes all others whatever the image."""
    path = tmp_path_factory.mktemp("weights") / "b.safetensors"
    logits = variables["params"]["logits"]
    more = {"kernel": np.pad(logits["kernel"], ((0, 0), (1, 0))), "bias": np.pad(logits["bias"], (1, 0))}
    more["bias"][0] = 1e3
    params = {**variables["params"], "logits": more}
    about = replace(meta, num_classes=11, class_names=("background", *DIGITS), class_offset=1)
    save_checkpoint(path, {**variables, "params": params}, about)
    return path


def output(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def fails(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    return line


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


def test_a_file_is_evaluated_as_the_run_it_came_from(workdir, weights, with_background, capsys):
    [run] = output(capsys, "evaluate", "--workdir", workdir, "--format=json")
    assert 0 < run["top1"] < 1, "nothing is told by a network that knows nothing or all"
    for path in (weights, with_background):
        for where in (["--data=digits", "--split=test[:40]"], [f"--config={QUICKSTART}", "--split=test[:40]"]):
            [file] = output(capsys, "evaluate", "--weights", path, *where, "--format=json")
            assert (file["weights"], file["source"]) == (str(path), "slim/inception_v1")
            assert without(file, "weights", "source", "loss") == without(run, "run", "step", "loss")
            assert file["loss"] == pytest.approx(run["loss"], rel=1e-5)


def test_a_file_predicts_as_the_run_it_came_from(workdir, weights, with_background, capsys, tmp_path):
    rng = np.random.default_rng(0)
    size = load_trained(workdir).config.data.image_size
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(tmp_path / name)
    run = output(capsys, "predict", "--workdir", workdir, "--top=10", "--format=json", tmp_path)
    for path in (weights, with_background):
        file = output(capsys, "predict", "--weights", path, "--top=10", "--format=json", tmp_path)
        assert [row["class"] for row in file] == [row["class"] for row in run]
        assert [row["probability"] for row in file] == pytest.approx([row["probability"] for row in run], rel=1e-5)


def test_the_preprocessing_is_the_files_own_whatever_the_experiment_says(weights, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "inception_jax.cli.counted.Evaluator", lambda network, source, config, *_, **__: seen.append(config) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", f"--weights={weights}", f"--config={QUICKSTART}", "--config.data.image_size=64"])
    trained = load_weights(weights).config
    assert seen[0].data.image_size == 64, "a change that is asked for is heeded"
    assert seen[0].data.eval_crop == trained.data.eval_crop
    assert seen[0].model == trained.model


def test_imagenet_classes_are_found_by_their_folders_names(variables, meta, tmp_path, capsys):
    rng = np.random.default_rng(0)
    logits = {"kernel": rng.normal(size=(8, 1000)), "bias": rng.normal(size=1000)}
    params = {**variables["params"], "logits": {name: value.astype(np.float32) for name, value in logits.items()}}
    names = tuple(one.name for one in imagenet.classes())
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, {**variables, "params": params}, replace(meta, num_classes=1000, class_names=names))
    folder, file = tmp_path / "images", tmp_path / "p.json"
    for wnid in ("n15075141", "n01440764", "n02012849", "n03126707"):  # the last two are both called crane
        (folder / wnid).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / wnid / "a.png")
    where = [f"--data=folder:{folder}", "--split=all", f"--predictions={file}", "--format=json"]
    output(capsys, "evaluate", "--weights", path, *where)
    labels = {Path(row["image"]).parent.name: (row["label"], row["label_name"]) for row in json.loads(file.read_text())}
    assert labels == {
        "n01440764": (0, "tench"),
        "n02012849": (134, "crane"),
        "n03126707": (517, "crane"),
        "n15075141": (999, names[999]),
    }


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "w.safetensors does not say which images to use: add --data=folder:PATH or --data=tfds:NAME"),
        (["--config.batch_size=8"], "does not say which images to use"),
        (["--data=digits"], "digits has no split 'validation'"),
        (["--data=folder:{folder}", "--split=all"], "have other classes (1) than those that the network was trained"),
        (["--data=digits", "--config.model.width=0.5"], "config.model.width was 1.0"),
        (["--config"], "--config needs a value"),
    ],
)
def test_what_an_evaluation_lacks_is_named(weights, capsys, tmp_path, flags, words):
    (tmp_path / "cat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "cat" / "a.png")
    assert words in fails(capsys, "evaluate", "--weights", weights, *(flag.format(folder=tmp_path) for flag in flags))


@pytest.mark.parametrize("flags", [[], ["--workdir=a", "--weights=b.safetensors"]])
@pytest.mark.parametrize("command", [["evaluate"], ["predict", "x.png"]])
def test_a_run_or_a_file_and_not_both(command, flags, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, *flags])
    assert stopped.value.code == 2
    assert "--workdir" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_names": ["cat"]}, "1 class_names and class_offset 0 do not go with num_classes 10"),
        ({"class_offset": 10}, "class_offset 10 do not go with num_classes 10"),
        ({"class_offset": -1}, "class_offset -1"),
        ({"options": {"dtype": "float8"}}, "config.model.dtype must be one of float32, bfloat16"),
    ],
)
def test_a_sidecar_that_makes_no_sense_is_refused(variables, meta, tmp_path, changes, words):
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, variables, meta)
    described = json.loads(sidecar_of(path).read_text()) | changes
    sidecar_of(path).write_text(json.dumps(described))
    with pytest.raises(BadCheckpoint) as caught:
        load_weights(path)
    assert words in str(caught.value)
    assert str(sidecar_of(path)) in str(caught.value)


def test_a_feature_extractor_answers_nothing(variables, meta, tmp_path, capsys):
    params = {name: value for name, value in variables["params"].items() if name != "logits"}
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, {**variables, "params": params}, replace(meta, num_classes=0, class_names=()))
    message = fails(capsys, "predict", "--weights", path, "x.png")
    assert message.endswith("w.safetensors is a feature extractor without a classifier: use `inception-jax features`")
