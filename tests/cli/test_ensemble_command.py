"""`inception-jax ensemble`: the table of models x crops against NumPy, its cache, files alone, and its refusals."""

import csv
import dataclasses
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from inception_jax import models
from inception_jax.cli import members
from inception_jax.cli.config_flags import load_config
from inception_jax.cli.main import main
from inception_jax.data.sources import open_source
from inception_jax.evaluation.predictions import load_predictions
from tests.fake_network import FakeNetwork

QUICKSTART = Path(__file__).parents[2] / "experiments/quickstart/digits.py"
CHANGES = ("model.aux=false", "data.eval_split=test[:40]", "steps=20", "evaluation.every_epochs=0", "batch_size=16")
SIZES = {"a": 16, "b": 12}
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three members: one of smaller images, and one with the weights of the first that sees images in another way."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "create", lambda *_, **options: FakeNetwork(num_classes=options["num_classes"]))
        for seed, (name, size) in enumerate(SIZES.items()):
            changes = (*CHANGES, "evaluation.batch_size=120", f"seed={seed}", f"data.image_size={size}")
            flags = [f"--config.{change}" for change in changes]
            assert main(["train", f"--config={QUICKSTART}", *flags, f"--workdir={root / name}"]) == 0
        shutil.copytree(root / "a", root / "c")
        change(root / "c", "eval_resize", "torchvision")
        yield root


def change(workdir, field, value):
    """Another value of a field of `data` that changes no weights."""
    path = workdir / "config.json"
    config = json.loads(path.read_text())
    config["data"][field] = value
    path.write_text(json.dumps(config))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def ensemble(capsys, *arguments, code=0):
    capsys.readouterr()
    assert main(["ensemble", *map(str, arguments)]) == code
    return capsys.readouterr()


def rows(capsys, *arguments) -> list[dict]:
    return json.loads(ensemble(capsys, *arguments, "--format=json").out)


def paths(runs) -> list[Path]:
    return [runs / name for name in NAMES]


def fails(capsys, *arguments) -> str:
    captured = ensemble(capsys, *arguments, code=2)
    assert captured.out == ""
    return captured.err.splitlines()[-1].removeprefix("inception-jax ensemble: ")


def test_the_table_is_that_of_the_cached_answers(runs, cache, capsys):
    found = rows(capsys, *paths(runs), "--protocols=single,10", "--sizes=2,3", "--each", f"--cache={cache}")
    assert [(row["models"], row["protocol"], row["crops"], row["cost"]) for row in found] == [
        *[(1, "single", 1, 1), (1, "10", 10, 10)] * 3,
        *[(2, "single", 1, 2), (2, "10", 10, 20), (3, "single", 1, 3), (3, "10", 10, 30)],
    ]
    files = {
        (name, protocol): next(cache.glob(f"{name}-*-{protocol}-*.npz"))
        for name in NAMES
        for protocol in ("single", "10")
    }
    assert len(list(cache.iterdir())) == 6
    for row in found:
        names = [name for name in NAMES if f"{runs / name}, step" in row["members"]]
        assert len(names) == row["models"]
        answers = [load_predictions(files[name, row["protocol"]])[0] for name in names]
        mean = np.mean([each.probabilities.astype(np.float64) for each in answers], axis=0)
        labels = answers[0].labels
        assert row["top1_error"] == (mean.argmax(axis=1) != labels).mean()
        top5 = np.argsort(-mean, axis=1, kind="stable")[:, :5]
        assert row["top5_error"] == (top5 != labels[:, None]).all(axis=1).mean()
        assert row["top1_error_low"] < row["top1_error"] < row["top1_error_high"]
    alone = [row for row in found if row["cost"] == 1]
    base = min(row["top1_error"] for row in alone)
    assert 0 < base < 1, "nothing trivial is compared"
    for row in found:
        assert row["top1_against_base"] == pytest.approx(row["top1_error"] - base)
    assert {row["paper"] for row in found} == {None}, "ten classes are no ImageNet"


def test_a_member_alone_is_what_evaluate_says(runs, cache, capsys):
    [row] = rows(capsys, runs / "b", "--protocols=10", f"--cache={cache}")
    capsys.readouterr()
    assert main(["evaluate", f"--workdir={runs / 'b'}", "--protocol=10", "--format=json"]) == 0
    [expected] = json.loads(capsys.readouterr().out)
    for name in ("top1_error", "top5_error", "top1_error_low", "images"):
        assert row[name] == expected[name]


def test_a_member_or_a_protocol_that_joins_later_costs_only_itself(runs, cache, capsys, monkeypatch):
    counted, real = [], members.count

    def count(trained, source, config, mesh, **options):
        counted.append((trained.path.name, config.evaluation.protocol))
        return real(trained, source, config, mesh, **options)

    monkeypatch.setattr(members, "count", count)
    here = cache.parent / "later"
    two, three = paths(runs)[:2], paths(runs)
    first = rows(capsys, *two, "--protocols=single", f"--cache={here}")
    assert counted == [("a", "single"), ("b", "single")]
    assert rows(capsys, *two, "--protocols=single", f"--cache={here}") == first
    assert len(counted) == 2
    rows(capsys, *three, "--protocols=single", f"--cache={here}")
    assert counted[2:] == [("c", "single")]
    rows(capsys, *three, "--protocols=single,10", f"--cache={here}")
    assert counted[3:] == [("a", "10"), ("b", "10"), ("c", "10")]


@pytest.mark.parametrize(
    ("flag", "same"),
    [
        ("data.threads=1", True),
        ("data.data_dir=elsewhere", True),
        ("evaluation.batch_size=7", True),
        ("data.image_size=15", False),
        ("data.eval_crop=0.8", False),
        ("data.interpolation=area", False),
        ("evaluation.average=max", False),
        ("evaluation.square=warp", False),
        ("evaluation.scales=20", False),
        ("model.dtype=bfloat16", False),
    ],
)
def test_a_file_is_found_again_unless_the_answers_may_be_others(flag, same):
    flags = [f"--config={QUICKSTART}", "--config.evaluation.protocol=12"]
    source = open_source("digits", "test")
    one, other = (members.key("w", load_config([*flags, *more]), "test", source) for more in ([], [f"--config.{flag}"]))
    assert (one == other) is same
    assert members.key("v", load_config(flags), "test", source) != one
    assert members.key("w", load_config(flags), "test[:40]", source) != one


def test_files_alone_are_an_ensemble(runs, cache, capsys):
    whole = rows(capsys, *paths(runs), "--protocols=single,10", f"--cache={cache}")
    files = sorted(cache.glob("*.npz"))
    assert rows(capsys, *files) == whole, "both protocols are found in the files"
    [single] = [row for row in rows(capsys, *files, "--protocols=single") if row["models"] == 3]
    assert single == whole[2]
    mixed = rows(
        capsys, runs / "a", *[path for path in files if path.name[0] != "a"], "--protocols=single", f"--cache={cache}"
    )
    assert mixed == [row for row in whole if row["protocol"] == "single"]


def test_members_can_be_averaged_in_three_ways(runs, cache, capsys, tmp_path):
    answers = {}
    for average in ("probabilities", "logits", "max"):
        path = tmp_path / f"{average}.npz"
        flags = ("--protocols=10", f"--cache={cache}", f"--members-average={average}", f"--predictions={path}")
        last = rows(capsys, *paths(runs), *flags)[-1]
        found, _ = load_predictions(path)
        answers[average] = found.probabilities
        wrong = found.probabilities.argmax(axis=1) != found.labels
        assert last["top1_error"] == wrong.mean()
    assert np.abs(answers["logits"] - answers["probabilities"]).max() > 1e-4
    assert np.abs(answers["max"] - answers["probabilities"]).max() > 1e-4


def test_the_answers_of_all_members_can_be_written(runs, cache, capsys, tmp_path):
    path = tmp_path / "all.csv"
    last = rows(capsys, *paths(runs), "--protocols=single", f"--cache={cache}", f"--predictions={path}")[-1]
    with path.open() as file:
        images = list(csv.DictReader(file))
    assert sum(image["label"] != image["class_1"] for image in images) == last["top1_error"] * 40


def test_a_person_sees_per_cent_and_who_is_who(runs, cache, capsys):
    captured = ensemble(capsys, *paths(runs), "--protocols=single,10", f"--cache={cache}")
    base, *_, last = [line.split() for line in captured.out.splitlines()[2:6]]
    assert base[:4] == ["1", "single", "1", "1"]
    assert last[:4] == ["3", "10", "10", "30"]
    assert base[-2:] == ["+0.00", "+0.00"]
    assert [line[:3] for line in captured.out.splitlines()[-3:]] == ["1: ", "2: ", "3: "]
    assert f"3: {runs / 'c'}, step 20 (" in captured.out
    assert "is there already" in captured.err
    header = next(
        csv.reader(
            io.StringIO(ensemble(capsys, *paths(runs), f"--cache={cache}", "--protocols=single", "--format=csv").out)
        )
    )
    assert {"top5_error", "paper_top5_error", "members"} <= set(header)


def test_without_a_cache_nothing_stays(runs, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(rows(capsys, runs / "a", "--protocols=single")) == 1
    assert list(tmp_path.iterdir()) == []


def test_papers_stand_beside_networks_of_theirs(capsys, tmp_path):
    names = np.array([f"n{i}" for i in range(1000)])
    files = []
    for i in range(7):
        rng, path = np.random.default_rng(i), tmp_path / f"{i}.npz"
        probabilities = rng.dirichlet(np.ones(1000), 3).astype(np.float32)
        about = {"run": f"run {i}", "step": 1, "network": "googlenet", "protocol": "144", "views": 144}
        zeros, images = np.zeros(3, np.int32), np.array(["x", "y", "z"])
        np.savez(
            path,
            probabilities=probabilities,
            labels=zeros,
            ranks=zeros + 1,
            images=images,
            class_names=names,
            about=np.array(json.dumps(about)),
        )
        files.append(path)
    one, seven = rows(capsys, *files)
    assert (one["paper_top5_error"], seven["paper_top5_error"]) == (pytest.approx(0.0789), pytest.approx(0.0667))
    assert (one["paper_top1_error"], one["paper"]) == (None, "GoogLeNet, table 3")
    assert seven["cost"] == 1008
    table = ensemble(capsys, *files).out
    assert "paper's top-5 error" in table
    assert "6.67" in table


def test_mistakes_are_named_before_anything_is_computed(runs, cache, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(members, "count", None)  # not called
    a, b = runs / "a", runs / "b"
    single = next(cache.glob("a-*-single-*.npz"))
    ten = next(cache.glob("b-*-10-*.npz"))
    assert fails(capsys, a, a) == f"{a} is named twice; a member counts once"
    assert "is not a run directory" in fails(capsys, tmp_path)
    assert "no such file" in fails(capsys, tmp_path / "p.npz")
    assert fails(capsys, single, "--sizes=2").endswith("--sizes 2: there are only 1 members")
    assert "there is no protocol under which all members answered" in fails(capsys, single, ten)
    assert "has no answers under protocol 144; it has single" in fails(capsys, single, "--protocols=144")
    message = fails(capsys, a, b, "--config.data.image_size=200", "--protocols=10", "--config.evaluation.scales=100")
    assert "100 is below config.data.image_size (200)" in message
    copy = tmp_path / "copy.npz"
    copy.write_bytes(single.read_bytes())
    assert f"{copy} and {single} both have the answers of" in fails(capsys, single, copy)
    assert "there already" in fails(capsys, single, f"--predictions={copy}")


def test_members_of_other_classes_are_named_before_anything_is_computed(runs, capsys, monkeypatch):
    trained = [members.load_trained(runs / name) for name in ("a", "b")]
    network = FakeNetwork(num_classes=3)
    trained[1] = dataclasses.replace(trained[1], network=network, class_names=("apple", "pear", "plum"))
    monkeypatch.setattr(members, "load_trained", lambda *_: trained.pop(0))
    monkeypatch.setattr(members, "count", None)
    message = fails(capsys, runs / "a", runs / "b")
    assert message == f"{runs / 'a'} has 10 classes and {runs / 'b'} 3: they cannot be averaged"


def test_runs_on_other_images_are_named(runs, capsys, monkeypatch):
    trained = [members.load_trained(runs / name) for name in ("a", "b")]
    elsewhere = dataclasses.replace(trained[1].config.data, source="folder:elsewhere")
    trained[1] = dataclasses.replace(trained[1], config=dataclasses.replace(trained[1].config, data=elsewhere))
    monkeypatch.setattr(members, "load_trained", lambda *_: trained.pop(0))
    message = fails(capsys, runs / "a", runs / "b")
    assert message.startswith(
        f"{runs / 'a'} was trained on digits and {runs / 'b'} on folder:elsewhere: say with --data"
    )
