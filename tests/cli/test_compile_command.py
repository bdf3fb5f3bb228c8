import dataclasses
import json

import pytest

from inception_jax.cli import compile as command
from inception_jax.cli.main import main
from inception_jax.training.ahead_of_time import DoesNotFit
from tests.training.test_estimates import PROGRAM

FULL = "--config=experiments/inception_v3/baseline.py"
NARROW = ("--config=experiments/googlenet/baseline.py", "--config.model.width=0.05", "--config.data.image_size=64")


@pytest.fixture
def compiled(monkeypatch):
    """Batches that were compiled, by a compiler whose programs need a GiB for every 16 images of a chip."""
    batches = []

    def stand_in(network, config, optimizer, schedule, mesh):
        per_chip = config.batch_size // mesh.devices.size
        batches.append(config.batch_size)
        needed = 2**29 + per_chip * 2**26
        if needed > 15.75 * 2**30:
            raise DoesNotFit(needed, int(15.75 * 2**30))
        return dataclasses.replace(PROGRAM, peak=needed)

    class Mesh:
        def __init__(self, chips):
            self.devices = type("Devices", (), {"size": chips})

    monkeypatch.setattr(command, "compile_train_step", stand_in)
    monkeypatch.setattr(command, "model_flops", lambda network, size: 35 * 10**9)  # counting takes longer than the rest
    monkeypatch.setattr(command, "compile_only_devices", lambda where: [None] * where.chips)
    monkeypatch.setattr(command, "mesh_of", lambda config, devices: Mesh(len(devices)))
    return batches


def rows(capsys, *arguments):
    assert main(["compile", *arguments, "--format=json"]) == 0
    out, err = capsys.readouterr()
    assert "Estimates: nothing was run." in err
    return json.loads(out)


def test_one_row_a_topology_for_images_that_are_not_here(compiled, capsys):
    found = rows(capsys, *NARROW, "--topology=v5e-8,v5e-64,v4-32", "--batch-size=32/chip")
    assert [row["topology"] for row in found] == ["v5e-8", "v5e-64", "v4-32"]
    assert [row["batch_size"] for row in found] == compiled == [256, 2048, 512]
    assert [row["steps"] for row in found] == [round(60 * 1_281_167 / batch) for batch in compiled]
    assert list(found[0]) == list(command.COLUMNS)


def test_the_table_is_for_a_person_and_says_that_it_estimates(compiled, capsys):
    assert main(["compile", *NARROW, "--topology=v5e-8,v4-8", "--batch-size=256"]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["v5e-8", "v4-8"] in lines
    assert ["batch,", "images", "256", "256"] in lines
    assert ["fits", "yes", "yes"] in lines
    assert "Estimates: nothing was run." in out
    assert "v4-8 (2 of 2): compiling, about 0 min left" in err


def test_the_largest_batch_is_found_in_few_compilations(compiled, capsys):
    (row,) = rows(capsys, *NARROW, "--topology=v5e-8", "--batch-size=auto")
    assert row["images_per_chip"] == 224  # groups of 32; 15.75 GiB hold 244 images
    assert row["fits"]
    assert len(compiled) <= 4
    assert max(compiled) == 8 * 256


def test_what_does_not_fit_is_a_row_and_not_a_traceback(compiled, capsys):
    assert main(["compile", *NARROW, "--topology=v5e-8", "--batch-size=256/chip", "--format=json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["fits"] is False
    assert json.loads(out)[0]["hours"] is None
    assert "v5e-8, batch 2,048: does not fit: needs 16.50 of 15.75 GiB" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology=v5e-7"], "topology 'v5e-7' is unknown; known: v5e-1|4|8"),
        (["--topology=v5e-8", "--batch-size=many"], "--batch-size must be a number"),
        (["--topology=v5e-8", "--batch-size=32/host"], "--batch-size must be a number"),
        (["--topology=v5e-64"], "config.batch_size (32) must be a multiple of 64"),
        (["--topology=v5e-8", "--config.data.source=tfds:places365"], "tfds:places365 is not in"),
    ],
)
def test_a_mistake_costs_no_compilation(compiled, capsys, arguments, message):
    assert main(["compile", *NARROW, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert compiled == []


def test_two_columns_of_one_name_are_refused(compiled, capsys):
    assert main(["compile", *NARROW, "--topology=v5e-8,v5e-8"]) == 2
    assert "names one twice" in capsys.readouterr().err
    assert compiled == []


def test_full_size_experiments_have_their_length_and_a_warning_of_groups_across_chips(compiled, capsys):
    assert main(["compile", FULL, "--topology=v5e-64", "--format=json"]) == 0
    out, err = capsys.readouterr()
    (row,) = json.loads(out)
    assert (row["batch_size"], row["images_per_chip"]) == (1600, 25)
    assert row["steps"] == round(100 * 1_281_167 / 1600)
    assert "25 images a chip are no whole groups of config.model.bn_group_size (32)" in err


def test_whole_groups_are_not_warned_of(compiled, capsys):
    for arguments in ([FULL, "--config.batch_size=2048"], [*NARROW, "--batch-size=16/chip"]):  # the latter has no norm
        assert main(["compile", *arguments, "--topology=v5e-64"]) == 0
        assert "warning" not in capsys.readouterr().err
