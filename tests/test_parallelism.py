"""Section `parallelism`: fields that belong together."""

import pytest

from inception_jax.config import ConfigError, resolve

BACKUP = {"name": "backup_workers", "replicas": 3, "backups": 1}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"parallelism": {"backups": 1}}, "config.parallelism.backups (1) is for backup_workers"),
        ({"parallelism": {**BACKUP, "name": "downpour"}}, "config.parallelism.name is 'downpour'"),
        ({"parallelism": {**BACKUP, "n_push": 2}}, "config.parallelism.n_push (2) is for downpour"),
        ({"parallelism": {"replicas": 4}}, "is for backup_workers and downpour"),
        ({"batch_size": 30, "parallelism": BACKUP}, "must be a multiple of 4"),
        ({"batch_size": 64, "parallelism": BACKUP}, "must divide the 16 images of one worker"),
        ({"batch_size": 64, "parallelism": BACKUP, "model": {"bn_group_size": 0}}, "do not cross workers"),
        ({"parallelism": {"name": "downpour", "times": "normal:1"}}, "config.parallelism.times must be 'equal'"),
        ({"parallelism": {"name": "downpour", "times": "1,0"}}, "got '1,0'"),
        ({"parallelism": {"name": "downpour", "times": "exponential:2"}}, "got 'exponential:2'"),
        ({"parallelism": {"name": "downpor"}}, "did you mean 'downpour'?"),
    ],
)
def test_fields_that_do_not_belong_together_are_named(values, words):
    with pytest.raises(ConfigError) as error:
        resolve(values)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 128, "parallelism": BACKUP},
        {"parallelism": {"name": "downpour", "replicas": 16, "times": "0.9,1.0,3.5", "n_push": 4, "n_fetch": 2}},
        {"parallelism": {"name": "downpour", "times": "lognormal:0.5", "spread": 0.1, "warm_start_steps": 9}},
    ],
)
def test_fields_that_belong_together_are_accepted(values):
    assert resolve(values).parallelism.name == values["parallelism"]["name"]
