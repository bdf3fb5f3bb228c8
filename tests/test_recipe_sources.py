"""Values that know where they come from, through derivation and the command line."""

import json

import pytest

from inception_jax.cli.config_flags import load_sources
from inception_jax.cli.main import main
from inception_jax.config import defaults, resolve
from inception_jax.config.sources import Source, cite

PAPER = Source("paper", "arXiv 1512.00567")
PARENT = """
from inception_jax.config import defaults
from inception_jax.config.sources import Source, cite

PAPER = Source("paper", "arXiv 1512.00567")

def get_config():
    config = defaults()
    cite(config, PAPER("section 8"), epochs=100.0, optimizer={"learning_rate": 0.045, "momentum": 0.8})
    cite(config, Source("our choice", "small"), data={"area": (0.1, 1.0)}, model={"options": {"stem_pools": 0}})
    config.batch_size = 64
"""


@pytest.fixture
def explained(tmp_path):
    def explain(lines="", *changes):
        file = tmp_path / "experiment.py"
        file.write_text(PARENT + "".join(f"    {line}\n" for line in [*lines.splitlines(), "return config"]))
        return load_sources([f"--config={file}", *changes])

    return explain


def test_a_source_takes_the_place_where_it_says_so():
    assert PAPER("section 8") == Source("paper", "arXiv 1512.00567, section 8")
    assert Source("our choice", "")("half the memory") == Source("our choice", "half the memory")


def test_citing_sets_the_values_and_leaves_the_schema_alone():
    config = defaults()
    cite(config, PAPER, epochs=100.0, optimizer={"learning_rate": 0.045}, model={"dropout": 0.2, "options": {"a": 1}})
    cite(config, PAPER, model={"options": {"b": 2}})
    resolved = resolve(config)
    assert (resolved.epochs, resolved.optimizer.learning_rate, resolved.model.dropout) == (100.0, 0.045, 0.2)
    assert resolved.model.options == {"a": 1, "b": 2}


def test_values_keep_their_source_when_an_experiment_derives(explained):
    config, sources = explained()
    assert config.optimizer.learning_rate == 0.045
    for name in ("epochs", "optimizer.learning_rate", "optimizer.momentum"):
        assert sources[name] == Source("paper", "arXiv 1512.00567, section 8")
    assert sources["data.area"] == sources["model.options.stem_pools"] == Source("our choice", "small")
    assert sources["schedule.name"] == Source("default", "")


def test_a_value_that_is_set_without_a_source_is_our_choice(explained):
    _, sources = explained("config.optimizer.learning_rate = 0.1")
    assert sources["batch_size"] == Source("our choice", "no source given")
    assert sources["optimizer.learning_rate"] == Source(
        "our choice", "no source given; 0.045 is of arXiv 1512.00567, section 8"
    )
    assert sources["optimizer.momentum"].kind == "paper"


def test_the_newest_source_counts(explained):
    _, sources = explained('cite(config, Source("public code", "slim"), optimizer={"learning_rate": 0.01})')
    assert sources["optimizer.learning_rate"] == Source("public code", "slim")


def test_the_command_line_is_a_source(explained):
    config, sources = explained("", "--config.optimizer.learning_rate=0.2", "--config.seed=3", "--config.epochs=100")
    assert config.seed == 3
    assert sources["optimizer.learning_rate"] == Source("command line", "the experiment has 0.045")
    assert sources["seed"] == Source("command line", "the experiment has 0")
    assert sources["epochs"].kind == "paper"


def test_explain_prints_every_value_with_its_source(capsys):
    flags = ["--config=experiments/inception_v3/rmsprop.py", "--config.optimizer.clip_norm=1"]
    assert main(["explain", *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["optimizer.learning_rate", "0.045", "paper"] for line in lines)
    assert any(line.split()[:4] == ["optimizer.clip_norm", "1.0", "command", "line"] for line in lines)
    assert not any("evaluation.protocol" in line for line in lines)
    assert main(["explain", *flags, "--all", "--format=json"]) == 0
    rows = {row["field"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["optimizer.learning_rate"]["value"] == 0.045
    assert rows["evaluation.protocol"]["source"] == "default"
    for form, opening in (("csv", "field,value,source,where"), ("markdown", "| field | value | source | where |")):
        assert main(["explain", *flags, f"--format={form}"]) == 0
        assert capsys.readouterr().out.splitlines()[0] == opening


def test_explain_needs_an_experiment(capsys):
    assert main(["explain"]) == 2
    assert "no experiment is named" in capsys.readouterr().err
