import dataclasses
import functools
import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from inception_jax.config import Config, Data, Model, Optimizer
from inception_jax.distributed.mesh import make_mesh
from inception_jax.distributed.tpu import compile_only_devices, slice_named
from inception_jax.models import Network
from inception_jax.models.layers import BatchNormSpec, Style
from inception_jax.models.table import Inception, conv, max_pool
from inception_jax.training import ahead_of_time, loop
from inception_jax.training.ahead_of_time import DoesNotFit, compile_train_step
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.schedules import make_schedule

ROWS = (("stem", conv(8, 3, 2)), ("mixed", Inception(((conv(8),), (conv(8), conv(16, 3)), (max_pool(3), conv(8))))))


def experiment(mesh, group):
    """A narrow network of five batch norms, four images a device, in groups of `group` (0: all images)."""
    config = Config(
        batch_size=4 * mesh.devices.size,
        steps=10,
        data=Data(image_size=16),
        model=Model(bn_group_size=group),
        optimizer=Optimizer(name="momentum"),
    )
    style = Style(norm=BatchNormSpec(group_size=group))
    network = Network(rows=ROWS, heads=(), num_classes=10, dropout=0.0, style=style)
    schedule = make_schedule(config, 1000)
    return network, config, make_optimizer(config.optimizer, schedule), schedule, mesh


@functools.cache
def program(where, group):
    devices = jax.devices() if where == "cpu" else compile_only_devices(slice_named(where))
    return compile_train_step(*experiment(make_mesh(devices), group))


@pytest.fixture(params=["cpu", "v5e-4"])
def where(request):
    if request.param != "cpu":
        pytest.importorskip("libtpu", reason="no TPU compiler: libtpu is not installed")
    return request.param


def test_batch_norm_per_replica_costs_no_collective(where):
    """One all-reduce carries all gradients, the loss and the running statistics; one sums what is counted."""
    network, config, *_ = experiment(make_mesh(), 4)
    images = jnp.zeros((1, config.data.image_size, config.data.image_size, 3))
    variables = jax.eval_shape(network.init, jax.random.key(0), images)
    size = 4 * sum(math.prod(x.shape) for x in jax.tree.leaves(variables))
    arrays = len(jax.tree.leaves(variables["params"]))
    found = program(where, 4).collectives
    counted = [c for c in found if c.size <= 12]
    (gradients,) = [c for c in found if c not in counted]
    assert len(counted) == 1, "top-1, top-5 and the number of examples travel together"
    assert {c.kind for c in found} == {"all-reduce"}
    assert gradients.size == size + 4  # and the loss
    assert gradients.arrays >= arrays
    assert all(c.times == 1 for c in found)


def test_batch_norm_over_all_images_costs_collectives_in_every_layer():
    layers = 3  # the two 1x1 convolutions and the pool's are one batch norm when they are executed together
    assert len(program("cpu", 0).collectives) >= len(program("cpu", 4).collectives) + 2 * layers


def test_the_program_of_a_chip_is_the_same_on_any_number_of_chips():
    pytest.importorskip("libtpu", reason="no TPU compiler: libtpu is not installed")
    few, many = program("v5e-4", 4), program("v5e-64", 4)
    assert few.cycles == many.cycles
    assert few.collectives == many.collectives


def test_memory_is_that_of_the_state(where):
    found = program(where, 4)
    weights = {"stem": (27, 8), "one": (8, 8), "before": (8, 8), "wide": (72, 16), "pooled": (8, 8), "logits": (32, 10)}
    biases = [8, 8, 8, 16, 8, 10]
    parameters = 4 * (sum(a * b for a, b in weights.values()) + sum(biases))
    assert found.parameters == parameters
    assert found.optimizer - parameters in (0, 4, 8)  # momentum, and how often it was updated
    assert found.averages == 0
    assert found.peak >= found.parameters + found.optimizer + found.activations
    assert (found.cycles > 0) == (where != "cpu")
    assert found.flops > 0
    assert found.traffic > 0


def test_training_runs_this_very_step(tmp_path, monkeypatch):
    asked = []

    def spy(*arguments):
        asked.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "lower_train_step", spy)
    monkeypatch.setattr(loop, "init_state", lambda *_: SimpleNamespace(step=0))  # takes longer than all the rest
    config = Config(batch_size=8, steps=1, data=Data(source="digits", eval_split="test", image_size=32))
    config = dataclasses.replace(config, model=Model(width=0.05))
    with pytest.raises(KeyboardInterrupt):
        loop.train(config, tmp_path / "run", mesh=make_mesh(jax.devices()[:1]))
    ((network, given, *_),) = asked
    assert given == config
    assert isinstance(network, Network)


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        ("Ran out of memory in memory space hbm. Used 19.50G of 15.75G hbm. Exceeded hbm capacity by 3.75G.", 19.5),
        (
            "Ran out of memory on HBM, the total memory required for HLO temporaries (19.50G) exceeds available HBM "
            "(15.75G).",
            19.5,
        ),
        ("Used 0.5T of 15.75G hbm", 512),
    ],
)
def test_a_program_that_is_too_large_says_what_it_needs(message, needed, monkeypatch):
    class Lowered:
        def compile(self):
            raise jax.errors.JaxRuntimeError(f"RESOURCE_EXHAUSTED: {message}")

    monkeypatch.setattr(ahead_of_time, "lower_train_step", lambda *_: Lowered())
    with pytest.raises(DoesNotFit, match=rf"does not fit: needs {needed:.2f} of 15.75 GiB") as error:
        compile_train_step(*experiment(make_mesh(), 4))
    assert error.value.needed == needed * 2**30


def test_another_error_of_the_compiler_is_not_hidden(monkeypatch):
    class Lowered:
        def compile(self):
            raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    monkeypatch.setattr(ahead_of_time, "lower_train_step", lambda *_: Lowered())
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        compile_train_step(*experiment(make_mesh(), 4))
