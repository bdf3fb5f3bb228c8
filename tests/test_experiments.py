"""Every experiment file: it resolves, says how it is run, and names a network that accepts its images."""

import re
from pathlib import Path

import pytest

from inception_jax.cli.config_flags import load_config
from inception_jax.data.sources import open_source
from inception_jax.training.experiment import build_network

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "experiments").rglob("*.py")
    if path.name not in ("__init__.py", "base.py") and re.search(r"\bget_config\b", path.read_text())
)


def config_of(file):
    return load_config([f"--config={ROOT / file}"])


def test_there_are_experiments():
    assert "experiments/quickstart/digits.py" in FILES


@pytest.mark.parametrize("file", FILES)
def test_an_experiment_resolves_and_says_how_it_is_run(file):
    config = config_of(file)
    assert config.epochs or config.steps
    text = (ROOT / file).read_text()
    docstring = compile(text, file, "exec").co_consts[0]
    assert isinstance(docstring, str)
    assert docstring.strip().splitlines()[0].endswith((".", ":"))
    commands = re.findall(r"^    inception-jax train --config=(\S+) --workdir=\S+$", docstring, re.MULTILINE)
    assert commands == [file]


@pytest.mark.parametrize("file", FILES)
def test_the_network_of_an_experiment_accepts_its_images(file):
    config = config_of(file)
    classes = 1000 if "imagenet" in config.data.source else 10
    network = build_network(config, classes)  # traces it at the experiment's image size
    assert network.num_classes == classes


@pytest.mark.parametrize("file", [file for file in FILES if config_of(file).data.source == "digits"])
def test_the_splits_of_an_experiment_without_download_exist(file):
    data = config_of(file).data
    train = open_source(data.source, data.train_split)
    held_out = open_source(data.source, data.eval_split)
    assert train.class_names == held_out.class_names
    assert {train[i].name for i in range(len(train))}.isdisjoint(held_out[i].name for i in range(len(held_out)))
