"""`--config` on the command line: which file, which changes, and what is said of a mistake."""

import sys

import pytest

from inception_jax.cli.config_flags import load_config, split_config_flags
from inception_jax.config import Config, ConfigError, Model, Optimizer, difference, flatten

EXPERIMENT = """
from inception_jax.config import defaults

def get_config(batch="64"):
    config = defaults()
    config.batch_size = int(batch)
    return config
"""


@pytest.fixture(autouse=True)
def same_sys_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="experiment.py"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write_file


@pytest.fixture
def experiment(write):
    return write(EXPERIMENT)


@pytest.mark.parametrize(
    ("arguments", "others", "found"),
    [
        ([], [], []),
        (["train", "--workdir=a"], ["train", "--workdir=a"], []),
        (["--config=a.py", "--workdir", "b"], ["--workdir", "b"], ["--config=a.py"]),
        (["train", "--config", "a.py", "x"], ["train", "x"], ["--config=a.py"]),
        (["--config.a.b=1", "--config.c", "2"], [], ["--config.a.b=1", "--config.c=2"]),
        (["--config.c", "-2", "x"], ["x"], ["--config.c=-2"]),
        (["--config.c=a=b"], [], ["--config.c=a=b"]),
        # A switch that is put on takes no value from the flag behind it.
        (["--config.data.flip", "--workdir=a"], ["--workdir=a"], ["--config.data.flip"]),
        (["--configure", "--conf=1", "config=2"], ["--configure", "--conf=1", "config=2"], []),
        (["train", "--config"], ["train"], ["--config"]),
    ],
)
def test_config_flags_are_separated_with_their_values(arguments, others, found):
    assert split_config_flags(arguments) == (others, found)


def test_a_file_and_its_argument(experiment):
    assert load_config([f"--config={experiment}"]) == Config(batch_size=64)
    assert load_config([f"--config={experiment}:96"]) == Config(batch_size=96)


def test_a_file_imports_its_neighbours(tmp_path, write):
    package = tmp_path / "neighbours_of_a_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shared.py").write_text(EXPERIMENT)
    file = package / "own.py"
    file.write_text("from neighbours_of_a_test.shared import get_config\n")
    assert load_config([f"--config={file}:32"]) == Config(batch_size=32)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ("optimizer.learning_rate=0.25", "optimizer.learning_rate", 0.25),
        ("optimizer.learning_rate=1", "optimizer.learning_rate", 1.0),
        ("seed=7", "seed", 7),
        ("data.flip=false", "data.flip", False),
        ("optimizer.nesterov", "optimizer.nesterov", True),
        ("data.source=folder:a=b", "data.source", "folder:a=b"),
        ("data.area=(0.5, 0.75)", "data.area", [0.5, 0.75]),
        ("data.area=0.5,1", "data.area", [0.5, 1.0]),
        ("model.dropout=0.2", "model.dropout", 0.2),
        ("model.dropout=0", "model.dropout", 0.0),
        ("model.options.stem_pools=0", "model.options.stem_pools", 0),
        ("model.options.naive=true", "model.options.naive", True),
        ("model.options.kind=word", "model.options.kind", "word"),
    ],
)
def test_a_change_changes_its_field_alone(experiment, change, field, value):
    base = load_config([f"--config={experiment}"])
    changed = load_config([f"--config={experiment}", f"--config.{change}"])
    expected = {field: (flatten(base).get(field), value)}
    assert difference(flatten(base), flatten(changed)) == expected
    assert type(flatten(changed)[field]) is type(value)


def test_changes_do_not_come_from_the_process_that_calls(experiment, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "--config.seed=9"])
    assert load_config([f"--config={experiment}"]).seed == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.lerning_rate=1", "did you mean config.optimizer.learning_rate?"),
        ("batch_sise=8", "did you mean config.batch_size?"),
        ("optimzer.learning_rate=1", "optimizer"),
        ("batch_size=6.5", "--config.batch_size=6.5"),
        ("batch_size=many", "many"),
        ("data.flip=maybe", "maybe"),
        ("optimizer.learning_rate=fast", "fast"),
        ("optimizer.learning_rate=nan", "config.optimizer.learning_rate must lie in [0, 1000], got nan"),
        ("optimizer.learning_rate", "config.optimizer.learning_rate"),
        ("model.bn_decay=x", "--config.model.bn_decay=x"),
        ("model.dropout=1", "config.model.dropout must lie in [0, 0.99], got 1.0"),
        ("data.area=(0.5,)", "config.data.area must be 2 numbers"),
        ("data.area=(1,'b')", "config.data.area must be float, got 'b'"),
        ("model=1", "--config.model=1"),
        ("data.crop=shfit", "did you mean 'shift'?"),
    ],
)
def test_an_impossible_change_is_refused_in_one_line(experiment, change, words):
    with pytest.raises(ConfigError) as error:
        load_config([f"--config={experiment}", f"--config.{change}"])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def get_config(:\n", "SyntaxError: invalid syntax (experiment.py, line 1)"),
        (
            "import no_such_module_anywhere\n",
            "experiment.py, line 1: ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        ),
        ("def get_config():\n    return foo\n", "experiment.py, line 2: NameError: name 'foo' is not defined"),
        ("def get_config():\n    pass\n", "returns NoneType, not an ml_collections.ConfigDict"),
        ("def get_config():\n    return {}\n", "returns dict, not an ml_collections.ConfigDict"),
        ("x = 1\n", "has no attribute 'get_config'"),
        ("def get_config(needed):\n    pass\n", "missing 1 required positional argument: 'needed'"),
        (
            "def get_config():\n    int('x')\n",
            "experiment.py, line 2: ValueError: invalid literal for int() with base 10: 'x'",
        ),
    ],
)
def test_a_file_that_is_no_experiment_is_refused_in_one_line(write, text, words):
    with pytest.raises(ConfigError) as error:
        load_config([f"--config={write(text)}"])
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "no experiment is named: --config="),
        (["--config.seed=1"], "no experiment is named: --config="),
        (["--config"], "--config needs a value: --config=FILE"),
        (["--config=nowhere/a.py"], "no experiment file 'nowhere/a.py'; it must be"),
        (["--config="], "no experiment file ''; it must be"),
        (["--config=nowhere/a.py:argument"], "no experiment file 'nowhere/a.py'; it must be"),
    ],
)
def test_an_experiment_that_is_not_there_is_named(found, message):
    with pytest.raises(ConfigError) as error:
        load_config(found)
    assert str(error.value).startswith(message)


def test_a_base_stands_in_for_a_file(experiment):
    base = Config(seed=3, model=Model(options={"stem_pools": 0}), optimizer=Optimizer(learning_rate=0.5))
    assert load_config([], base=base) == base
    changes = ["--config.model.options.stem_pools=1", "--config.model.options.naive=true", "--config.model.dropout=0.5"]
    changed = load_config([*changes, "--config.optimizer.learning_rate=1"], base=base)
    assert changed == Config(
        seed=3,
        model=Model(options={"stem_pools": 1, "naive": True}, dropout=0.5),
        optimizer=Optimizer(learning_rate=1.0),
    )
    assert load_config([f"--config={experiment}"], base=base) == Config(batch_size=64)
    with pytest.raises(ConfigError, match=r"did you mean config\.log\.every_steps\?"):
        load_config(["--config.log.every_step=3"], base=base)
    with pytest.raises(ConfigError, match="x"):
        load_config(["--config.batch_size=x"], base=base)
