"""The schema: what it accepts, what it refuses and in which words, and what makes two experiments differ."""

import dataclasses
import json
import math
import typing
from typing import Any

import ml_collections
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.config import (
    Config,
    ConfigError,
    Data,
    Evaluation,
    Model,
    Optimizer,
    Parallelism,
    as_config_dict,
    check_devices,
    defaults,
    difference,
    fingerprint,
    flatten,
    neutral_fields,
    resolve,
)

# Written down here, not asked of the schema: where data lie, how fast they are read, how often a run is looked at.
NEUTRAL = {
    "data.data_dir",
    "data.eval_resize",
    "data.eval_side",
    "data.threads",
    "data.prefetch",
    "data.timeout",
    "evaluation.every_epochs",
    "evaluation.batch_size",
    "evaluation.protocol",
    "init.weights",
    "evaluation.average",
    "evaluation.scales",
    "evaluation.square",
    "evaluation.exclude",
    "checkpoint.every_epochs",
    "checkpoint.keep_last",
    "checkpoint.keep_best",
    "mesh.data",
    "mesh.model",
    "mesh.smallest_shard",
    "mesh.wait_limit",
}
FIELDS = {name for name in flatten(Config()) if name != "model.options"}


def metadata_of(name):
    cls, found = Config, None
    for part in name.split("."):
        found = {f.name: f for f in dataclasses.fields(cls)}[part]
        hint = typing.get_type_hints(cls)[part]
        cls = hint if dataclasses.is_dataclass(hint) else cls
    assert found is not None
    return found.metadata


def another(name, value):
    """A legal value of the field that is not `value`."""
    metadata = metadata_of(name)
    if "choices" in metadata:
        return next(choice for choice in metadata["choices"] if choice != value)
    if name == "data.eval_side":
        return 256
    if name == "evaluation.scales":
        return "320,352,384,416"
    if name == "optimizer.multipliers":
        return "bias$=2"
    if name == "parallelism.times":
        return "lognormal:0.5"
    match value:
        case bool():
            return not value
        case str():
            return value + "x"
        case int():
            return value + 1 if name != "batch_size" else 2 * value
        case float():
            return value / 2 if value else metadata["range"][1] / 2
        case [low, high]:
            return [low, (low + high) / 2]
        case [_, _, _]:
            return [123.0, 117.0, 104.0]
        case None:
            return 0.25
    raise AssertionError(f"{name}: no other value of {value!r} is known")


def legal_with(name) -> Config:
    """A config in which the field may have another value than its default."""
    if name == "parallelism.backups":
        return Config(parallelism=Parallelism(name="backup_workers"), model=Model(bn_group_size=16))
    if name.startswith("parallelism.") and name != "parallelism.name":
        return Config(parallelism=Parallelism(name="downpour"))
    return Config()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_sise": 3}, "config.batch_sise: no such field; did you mean config.batch_size?"),
        (
            {"optimizer": {"lerning_rate": 1}},
            "config.optimizer.lerning_rate: no such field; did you mean config.optimizer.learning_rate?",
        ),
        ({"log": {"zzz": 1}}, "config.log.zzz: no such field; known: every_steps"),
        ({"batch_size": "32"}, "config.batch_size must be int, got '32' (str)"),
        ({"batch_size": 32.0}, "config.batch_size must be int, got 32.0 (float)"),
        ({"batch_size": True}, "config.batch_size must be int, got True (bool)"),
        ({"epochs": True}, "config.epochs must be float, got True (bool)"),
        ({"model": {"aux": 1}}, "config.model.aux must be bool, got 1 (int)"),
        ({"model": {"name": None}}, "config.model.name must be str, got None (NoneType)"),
        ({"epochs": math.nan}, "config.epochs must lie in [0, 1e+06], got nan"),
        ({"epochs": math.inf}, "config.epochs must lie in [0, 1e+06], got inf"),
        ({"batch_size": 0}, "config.batch_size must lie in [1, 1.04858e+06], got 0"),
        ({"model": {"dropout": 1.0}}, "config.model.dropout must lie in [0, 0.99], got 1.0"),
        ({"optimizer": {"momentum": -0.1}}, "config.optimizer.momentum must lie in [0, 0.9999], got -0.1"),
        (
            {"optimizer": {"name": "rmsprob"}},
            "config.optimizer.name must be one of momentum, caffe, rmsprop, adagrad, adamw, lamb, got 'rmsprob' "
            "(did you mean 'rmsprop'?)",
        ),
        (
            {"optimizer": {"name": "zzz"}},
            "config.optimizer.name must be one of momentum, caffe, rmsprop, adagrad, adamw, lamb, got 'zzz'",
        ),
        ({"data": {"area": 0.5}}, "config.data.area must be 2 numbers, got 0.5"),
        ({"data": {"area": (0.5, 0.6, 0.7)}}, "config.data.area must be 2 numbers, got (0.5, 0.6, 0.7)"),
        ({"data": {"mean": (123.0, 117.0)}}, "config.data.mean must be 3 numbers, got (123.0, 117.0)"),
        ({"data": {"std": (1.0, 0.0, 1.0)}}, "config.data.std must lie in [0.01, 10000], got 0.0"),
        ({"data": {"area": "ab"}}, "config.data.area must be 2 numbers, got 'ab'"),
        ({"data": {"area": (0.9, 0.5)}}, "config.data.area must be (low, high), got (0.9, 0.5)"),
        ({"data": {"area": (0.5, 1.5)}}, "config.data.area must lie in [0, 1], got 1.5"),
        ({"data": {"area": (math.nan, 1.0)}}, "config.data.area must lie in [0, 1], got nan"),
        ({"data": {"area": (0.1, "b")}}, "config.data.area must be float, got 'b' (str)"),
        ({"data": {"area": (True, 1.0)}}, "config.data.area must be float, got True (bool)"),
        ({"data": "digits"}, "config.data is a section, got 'digits'"),
        ({"log": None}, "config.log is a section, got None"),
        ({"model": {"options": 3}}, "config.model.options must be a mapping, got 3"),
        (
            {"model": {"options": {"x": [1]}}},
            "config.model.options.x must be a number, text, true or false, got [1]",
        ),
        (3, "config is a section, got 3"),
    ],
)
def test_what_is_wrong_with_a_value_is_said_exactly(values, message):
    with pytest.raises(ConfigError) as error:
        resolve(values)
    assert str(error.value) == message


def test_values_of_every_kind_are_taken():
    config = resolve(
        {
            "seed": 5,
            "epochs": 3,
            "model": {"dropout": 0, "bn_decay": None, "options": {"stem_pools": 0}},
            "data": {"area": [0, 1], "crop": "none"},
            "optimizer": {"learning_rate": 1000.0},
        }
    )
    assert (config.seed, config.epochs, config.model.dropout, config.model.bn_decay) == (5, 3.0, 0.0, None)
    assert type(config.epochs) is float
    assert type(config.model.dropout) is float
    assert config.data.area == (0.0, 1.0)
    assert {type(value) for value in config.data.area} == {float}
    assert config.model.options == {"stem_pools": 0}
    assert config.optimizer.learning_rate == 1000.0
    assert config.loss == Config().loss


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"batch_size": 30, "optimizer": {"accumulate": 4}},
            ["config.batch_size (30)", "multiple of config.optimizer.accumulate (4)"],
        ),
        ({"batch_size": 48}, ["config.model.bn_group_size (32)", "48 images", "or be 0"]),
        (
            {"batch_size": 96, "optimizer": {"accumulate": 2}},
            ["config.model.bn_group_size (32)", "48 images", "config.optimizer.accumulate"],
        ),
        ({"epochs": 0.0}, ["config.epochs and config.steps are both 0"]),
        ({"data": {"area": (0.0, 1.0)}}, ["config.data.area must start above 0"]),
        ({"data": {"eval_side": 200}}, ["config.data.eval_side (200)", "config.data.image_size (224)"]),
    ],
)
def test_fields_that_exclude_each_other_are_all_named(values, words):
    with pytest.raises(ConfigError) as error:
        resolve(values)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 96},
        {"batch_size": 24},  # one group, smaller than 32
        {"batch_size": 48, "model": {"bn_group_size": 0}},
        {"batch_size": 128, "optimizer": {"accumulate": 4}},
        {"epochs": 0.0, "steps": 1},
        {"data": {"area": (0.0, 1.0), "crop": "shift"}},
    ],
)
def test_fields_that_go_together_are_accepted(values):
    resolve(values)


@pytest.mark.parametrize(
    ("config", "devices", "nearest"),
    [
        (Config(batch_size=20), 8, "config.batch_size (20) must be a multiple of 8 .*nearest: 16 or 24"),
        (Config(batch_size=5), 8, "config.batch_size (5) must be a multiple of 8 .*nearest: 8"),
        (
            Config(batch_size=36, optimizer=Optimizer(accumulate=3)),
            8,
            "config.batch_size (36) must be a multiple of 24 .*8 devices .*3 microbatches.*nearest: 24 or 48",
        ),
        (
            Config(evaluation=Evaluation(batch_size=100)),
            8,
            "config.evaluation.batch_size (100) must be a multiple of 8 .*nearest: 96 or 104",
        ),
    ],
)
def test_a_batch_that_the_devices_do_not_divide_gets_the_nearest_that_they_do(config, devices, nearest):
    pattern = nearest.replace("(", r"\(").replace(")", r"\)").replace("config.", r"config\.") + "$"
    with pytest.raises(ConfigError, match=pattern):
        check_devices(config, devices, 1)


@given(st.integers(1, 300), st.integers(1, 16), st.integers(1, 5))
def test_a_named_nearest_batch_is_legal_and_none_is_nearer(batch, devices, micro):
    config = Config(batch_size=batch, optimizer=Optimizer(accumulate=micro))

    def legal(size):
        return size > 0 and size % (devices * micro) == 0

    try:
        check_devices(config, devices, 1)
    except ConfigError as error:
        assert not legal(batch)
        named = [int(size) for size in str(error).rpartition("nearest: ")[2].split(" or ")]
        assert all(map(legal, named))
        assert not any(legal(size) for size in range(batch, named[-1]))
        assert not any(legal(size) for size in range(named[0] + 1, batch))
    else:
        assert legal(batch)


def test_defaults_are_the_schemas_and_survive_json():
    assert resolve(defaults()) == Config() == resolve({})
    assert isinstance(defaults(), ml_collections.ConfigDict)
    assert resolve(json.loads(json.dumps(dataclasses.asdict(Config())))) == Config()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_can_be_changed_in_an_experiment_file_and_survives_json(name):
    value, before = another(name, flatten(Config())[name]), legal_with(name)
    config = as_config_dict(before)
    *sections, field = name.split(".")
    section: Any = config
    for part in sections:
        section = section[part]
    section[field] = tuple(value) if isinstance(value, list) else value
    resolved = resolve(config)
    assert difference(flatten(before), flatten(resolved)).keys() <= {name}
    assert flatten(resolved)[name] == value
    assert resolve(json.loads(json.dumps(dataclasses.asdict(resolved)))) == resolved
    assert resolve(as_config_dict(resolved)) == resolved


def test_a_misspelt_field_of_an_experiment_file_is_refused():
    config = defaults()
    config.optimizer.lerning_rate = 0.1
    with pytest.raises(ConfigError, match=r"did you mean config\.optimizer\.learning_rate\?$"):
        resolve(config)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_fingerprint_tells_every_change_that_matters_and_no_other(name):
    value, before = another(name, flatten(Config())[name]), legal_with(name)
    values = dataclasses.asdict(before)
    *sections, field = name.split(".")
    section: Any = values
    for part in sections:
        section = section[part]
    section[field] = value
    changed = resolve(values)
    matters = name not in NEUTRAL
    assert flatten(changed)[name] == value
    assert (fingerprint(changed) != fingerprint(before)) == matters
    expected = {name: (flatten(before)[name], value)} if matters else {}
    assert difference(flatten(before), flatten(changed)) == expected


def test_the_neutral_fields_are_those_that_cannot_change_a_result():
    assert neutral_fields() == NEUTRAL


def test_options_of_a_network_count():
    plain, pooled = Config(), Config(model=Model(options={"stem_pools": 0}))
    assert fingerprint(plain) != fingerprint(pooled)
    assert difference(flatten(plain), flatten(pooled)) == {"model.options.stem_pools": (None, 0)}
    assert difference(flatten(pooled), flatten(plain)) == {"model.options.stem_pools": (0, None)}


def test_a_field_that_did_not_exist_when_a_config_was_written_had_its_default():
    written = flatten(Config())
    del written["optimizer.nesterov"]
    assert difference(written, flatten(Config())) == {}
    changed = flatten(Config(optimizer=Optimizer(nesterov=True)))
    assert difference(written, changed) == {"optimizer.nesterov": (False, True)}


def test_the_fingerprint_is_the_same_for_the_same_values():
    assert fingerprint(resolve({"epochs": 3})) == fingerprint(Config(epochs=3.0))
    left = Config(model=Model(options={"stem_pools": 0, "stem_stride": 1}))
    right = Config(model=Model(options={"stem_stride": 1, "stem_pools": 0}))
    assert fingerprint(left) == fingerprint(right)


def test_difference_lists_changes_in_the_order_of_the_schema():
    new = Config(seed=3, optimizer=Optimizer(learning_rate=0.5), data=Data(threads=2))
    found = difference(flatten(Config()), flatten(new))
    assert list(found.items()) == [("seed", (0, 3)), ("optimizer.learning_rate", (0.01, 0.5))]
