"""A miniature ILSVRC2012 from its archives through the real TFDS builder, into training, evaluation and an ensemble."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from inception_jax import models
from inception_jax.cli.main import main
from inception_jax.data import prepare
from inception_jax.data.imagenet import classes
from inception_jax.data.records import DataError
from inception_jax.data.sources import open_source
from inception_jax.evaluation.predictions import load_predictions
from tests import miniature, prepare_unofficial
from tests.conftest import SHARED_DATA
from tests.fake_network import FakeNetwork

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-prepare/bin"
PHOTOGRAPHS = SHARED_DATA / "imagenet_sample"
QUICKSTART = ROOT / "experiments/quickstart/digits.py"
# The classes of the first six images of the real validation set.
VALIDATION = ("n01751748", "n09193705", "n02105855", "n04263257", "n03125729", "n01735189")
V2 = {0: "n01440764_1.JPEG", 7: "n01443537_1.JPEG"}
REAL = [[65], [970, 979], [], [3], [0, 1, 2], [52]]


PHOTOS = PHOTOGRAPHS if PHOTOGRAPHS.is_dir() else None


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """The folder of archives and data sets, every image by its file name, and what `prepare imagenet2012` printed."""
    if not (ENVIRONMENT / "inception-jax").exists():
        pytest.skip("no .venv-prepare: `make .venv-prepare/.installed` makes it")
    root = tmp_path_factory.mktemp("imagenet")
    images = miniature.write(root / "manual", photos=PHOTOS)
    return root, images, prepare_imagenet(root)


def prepare_imagenet(root: Path) -> subprocess.CompletedProcess:
    folders = [f"--manual-dir={root / 'manual'}", f"--data-dir={root / 'data'}"]
    return run(ENVIRONMENT / "inception-jax", "prepare", "imagenet2012", *folders)


def run(*command) -> subprocess.CompletedProcess:
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def others(imagenet):
    """`imagenet2012_real` of a damaged file of labels and of a whole one, then a miniature ImageNet-v2."""
    root, images, _ = imagenet
    (root / "manual/real.json").write_text(json.dumps(REAL))
    with tarfile.open(root / "manual/imagenetv2-matched-frequency.tar.gz", "w:gz") as tar:
        for label, name in V2.items():
            member = tarfile.TarInfo(f"imagenetv2-matched-frequency-format-val/{label}/{name[:9]}.jpeg")
            member.size = len(images[name])
            tar.addfile(member, io.BytesIO(images[name]))
    (root / "damaged").mkdir()
    (root / "damaged/ILSVRC2012_img_val.tar").symlink_to(root / "manual/ILSVRC2012_img_val.tar")
    (root / "damaged/real.json").write_text("[[1], [")
    data = str(root / "data")
    commands = [
        ("imagenet2012_real", str(root / "damaged"), data),
        ("imagenet2012_real", str(root / "manual"), data),
        ("imagenet_v2/matched-frequency", str(root / "manual"), data),
    ]
    return json.loads(run(ENVIRONMENT / "python", "-m", prepare_unofficial.__name__, json.dumps(commands)).stdout)


def test_it_says_what_it_found_and_compared(imagenet):
    _, _, printed = imagenet
    assert [line.split() for line in printed.stdout.splitlines()[2:4]] == [
        ["train", "16", "16"],
        ["validation", "6", "6"],
    ]
    assert "ILSVRC2012_img_train.tar: 16 images of 4 classes" in printed.stderr
    assert "16/16" not in printed.stdout, "progress is no result"
    assert "Generating train examples" in printed.stderr
    assert "--config.data.source=tfds:imagenet2012" in printed.stdout


def test_every_image_is_there_with_its_label_and_name(imagenet):
    root, images, _ = imagenet
    found, wnids = {}, [one.wnid for one in classes()]
    for split in ("train", "validation"):
        source = open_source("tfds:imagenet2012", split, str(root / "data"))
        assert source.class_names == tuple(wnids)
        for record in source:
            name = record.name.rpartition("/")[2]
            found[name] = record.image
            if split == "train":
                assert wnids[record.label] == name.partition("_")[0]
            else:
                assert wnids[record.label] == VALIDATION[int(name[-13:-5]) - 1]
    assert found == images


def test_a_second_time_it_only_checks(imagenet):
    root, _, first = imagenet
    again = prepare_imagenet(root)
    assert again.stdout == first.stdout
    assert "Generating" not in again.stderr


def test_another_image_or_number_of_images_is_noticed(imagenet, tmp_path):
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    root, images, _ = imagenet
    builder = builder_from_files("imagenet2012", data_dir=root / "data")
    miniature.write(tmp_path, photos=PHOTOS)
    archive = tmp_path / "ILSVRC2012_img_val.tar"
    place = archive.read_bytes().find(images["ILSVRC2012_val_00000003.JPEG"]) + 60
    with archive.open("r+b") as file:
        file.seek(place)
        file.write(b"!?")
    archives = prepare.find_archives("imagenet2012", tmp_path)
    with pytest.raises(DataError, match=r"validation\[\d\]/ILSVRC2012_val_00000003\.JPEG differs from .*val\.tar"):
        prepare.verify("imagenet2012", str(root / "data"), builder, archives)
    miniature.write(tmp_path, validation=5, photos=PHOTOS)
    archives = prepare.find_archives("imagenet2012", tmp_path)
    with pytest.raises(DataError, match=r"validation has 6 images and .*img_val\.tar 5"):
        prepare.verify("imagenet2012", str(root / "data"), builder, archives)


@pytest.fixture(scope="module")
def trained(imagenet, tmp_path_factory):
    """Two networks that were trained for a few steps on the miniature."""
    root, _, _ = imagenet
    workdirs = [tmp_path_factory.mktemp("runs") / name for name in ("a", "b")]
    changes = {
        "data.source": "tfds:imagenet2012",
        "data.data_dir": root / "data",
        "data.eval_split": "validation",
        "data.crop": "inception",
        "data.image_size": 32,
        "data.interpolation": "random",
        "model.aux": False,
        "batch_size": 8,
        "evaluation.batch_size": 96,
        "steps": 3,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "create", lambda *_, **options: FakeNetwork(num_classes=options["num_classes"]))
        for seed, workdir in enumerate(workdirs):
            flags = [f"--config.{name}={value}" for name, value in {**changes, "seed": seed}.items()]
            assert main(["train", f"--config={QUICKSTART}", *flags, f"--workdir={workdir}"]) == 0
        yield workdirs


def command(capsys, *arguments) -> list[dict]:
    capsys.readouterr()
    assert main([*map(str, arguments), "--format=json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_it_is_evaluated_with_144_crops_and_as_an_ensemble(trained, capsys, tmp_path):
    flags = ("--protocol=144", f"--predictions={tmp_path / 'p.npz'}")
    [alone] = command(capsys, "evaluate", f"--workdir={trained[0]}", *flags)
    assert (alone["images"], alone["views"], alone["unreadable"]) == (6, 144, 0)
    images = load_predictions(tmp_path / "p.npz")[0].images.tolist()
    assert sorted(name.rpartition("/")[2] for name in images)[0] == "ILSVRC2012_val_00000001.JPEG"
    cells = command(capsys, "ensemble", *trained, "--protocols=single,10,144", "--each")
    assert [(row["models"], row["crops"]) for row in cells] == [(n, c) for n in (1, 1, 2) for c in (1, 10, 144)]
    assert cells[2]["top1_error"] == alone["top1_error"]
    assert {row["images"] for row in cells} == {6}


def test_blacklisted_images_are_left_out(trained, capsys, tmp_path):
    (tmp_path / "blacklist.txt").write_text("2\n5\n17\n")
    exclude = f"--config.evaluation.exclude={tmp_path / 'blacklist.txt'}"
    path = tmp_path / "p.npz"
    [row] = command(capsys, "evaluate", f"--workdir={trained[0]}", exclude, f"--predictions={path}")
    assert (row["images"], row["left_out"]) == (4, 2)
    kept = [name[-13:-5].lstrip("0") for name in load_predictions(path)[0].images.tolist()]
    assert sorted(kept) == ["1", "3", "4", "6"]


def test_real_labels(imagenet, others, trained, capsys, tmp_path):
    root, _, _ = imagenet
    assert others[1]["code"] == 0, others[1]["errors"]
    assert others[1]["out"].splitlines()[2].split() == ["validation", "6", "6"]
    source = open_source("tfds:imagenet2012_real", "validation", str(root / "data"))
    valid = {int(record.name[-13:-5]): list(record.valid or ()) for record in source}
    assert valid == dict(enumerate(REAL, 1))
    path = tmp_path / "p.npz"
    flags = ("--data=tfds:imagenet2012_real", f"--predictions={path}")
    [row] = command(capsys, "evaluate", f"--workdir={trained[0]}", *flags)
    assert (row["images"], row["left_out"]) == (5, 1)
    found, _ = load_predictions(path)
    numbers = [int(name[-13:-5]) for name in found.images.tolist()]
    first = found.probabilities.argmax(axis=1).tolist()
    assert row["top1"] == np.mean([one in REAL[number - 1] for one, number in zip(first, numbers, strict=True)])


def test_a_preparation_that_fails_leaves_nothing_and_can_be_run_again(others):
    failed, again, _ = others
    message = failed["errors"].splitlines()[-1]
    assert message.startswith("inception-jax prepare: tfds:imagenet2012_real was not prepared (JSONDecodeError: ")
    assert (failed["code"], failed["there"]) == (2, [])
    assert (again["code"], again["there"]) == (0, ["1.0.0"])


def test_imagenet_v2(imagenet, others):
    root, images, _ = imagenet
    assert others[2]["code"] == 0, others[2]["errors"]
    assert others[2]["out"].splitlines()[2].split() == ["test", "2"]
    source = open_source("tfds:imagenet_v2/matched-frequency", "test", str(root / "data"))
    assert {record.label: record.image for record in source} == {label: images[name] for label, name in V2.items()}
