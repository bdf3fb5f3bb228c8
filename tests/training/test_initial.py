"""Training that starts from a weights file: what is taken over, what is not, and what is said of misfits."""

import io
import os
import signal
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inception_jax import models
from inception_jax.config import (
    Average,
    Config,
    ConfigError,
    Data,
    Evaluation,
    Init,
    Model,
    Optimizer,
    flatten,
    resolve,
)
from inception_jax.distributed.mesh import make_mesh
from inception_jax.training import loop
from inception_jax.training.initial import read_initial, start_from, with_weights_file
from inception_jax.training.interruption import Interrupted
from inception_jax.training.loop import train
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.run_directory import RunDirectoryError
from inception_jax.training.state import init_state
from inception_jax.training.trained import load_trained
from inception_jax.weights.checkpoint import BadCheckpoint, Meta, save_checkpoint, sha256_of
from inception_jax.weights.preprocessing import Preprocessing
from tests.fake_network import FakeNetwork

VARIANT = next(iter(models.variants("googlenet")))
PIXELS = Preprocessing(16, "torchvision", side=20, mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 70.0))
META = Meta("googlenet", VARIANT, 3, True, PIXELS, class_names=("a", "b", "c"), source="slim/inception_v1")
CONFIG = Config(
    steps=4,
    batch_size=32,
    model=Model(bn_group_size=0),
    data=Data(image_size=8, eval_split="test[:40]", crop="none", flip=False),
    optimizer=Optimizer(learning_rate=0.0),
    average=Average(decay=0.9),
    evaluation=Evaluation(every_epochs=0),
)


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    monkeypatch.setattr(models, "create", lambda *_, num_classes, aux, **__: FakeNetwork(num_classes, aux=aux))


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(jax.devices()[:2])


def variables_of(num_classes=3, aux=True):
    """Numbers that no initialiser gives."""
    network = FakeNetwork(num_classes, aux=aux)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: rng.uniform(0.1, 1, x.shape).astype(x.dtype), shapes)


@pytest.fixture(scope="module")
def variables():
    return variables_of()


@pytest.fixture
def weights(variables, tmp_path):
    save_checkpoint(tmp_path / "w.safetensors", variables, META)
    return tmp_path / "w.safetensors"


def config_from(weights, skip="^(logits|aux)", **changes):
    return replace(CONFIG, init=Init(str(weights), skip), **changes)


def assert_from_file(found, fresh, variables):
    """The trunk is the file's, the classifiers are those of a run without one."""
    for layer in ("conv", "norm"):
        jax.tree.map(np.testing.assert_array_equal, found["params"][layer], variables["params"][layer])
    for layer in ("logits", "aux"):
        jax.tree.map(np.testing.assert_array_equal, found["params"][layer], fresh["params"][layer])
    jax.tree.map(np.testing.assert_array_equal, found["batch_stats"], variables["batch_stats"])


@pytest.mark.parametrize("model", [1, 2])
def test_the_state_and_its_average_start_from_the_file(weights, variables, model):
    mesh = make_mesh(jax.devices()[:4], model=model)
    config = config_from(weights, mesh=replace(CONFIG.mesh, smallest_shard=8))
    network = FakeNetwork(10)
    optimizer = make_optimizer(config.optimizer, lambda _: 0.1)
    before = init_state(network, config, optimizer, mesh)
    after = start_from(before, read_initial(config, network))
    fresh = {"params": before.params, "batch_stats": before.batch_stats}
    assert_from_file({"params": after.params, "batch_stats": after.batch_stats}, fresh, variables)
    assert_from_file(after.average, fresh, variables)
    assert jax.tree.map(lambda x: x.sharding, after) == jax.tree.map(lambda x: x.sharding, before)
    pairs = zip(jax.tree.leaves(after.params), jax.tree.leaves(after.average["params"]), strict=True)
    assert all(x.unsafe_buffer_pointer() != y.unsafe_buffer_pointer() for x, y in pairs if x.sharding.num_devices == 1)


def test_a_network_without_batch_norm_keeps_the_shape_of_its_state(mesh):
    network, optimizer = FakeNetwork(10, norm=False), make_optimizer(CONFIG.optimizer, lambda _: 0.1)
    before = init_state(network, CONFIG, optimizer, mesh)
    kernel = np.full(before.params["conv"]["kernel"].shape, 7, np.float32)
    after = start_from(before, {"params/conv/kernel": kernel})
    assert jax.tree.structure(after) == jax.tree.structure(before)
    for params in (after.params, after.average["params"]):
        np.testing.assert_array_equal(params["conv"]["kernel"], kernel)


def test_a_run_starts_from_the_file_and_uses_its_preprocessing(weights, variables, tmp_path, mesh):
    stream = io.StringIO()
    train(config_from(weights), tmp_path / "run", mesh=mesh, stream=stream)
    fresh = train(CONFIG, tmp_path / "fresh", mesh=mesh, stream=io.StringIO())
    assert fresh["steps"] == 4
    found, other = (load_trained(tmp_path / name, "newest", mesh) for name in ("run", "fresh"))
    # A learning rate of zero moves batch statistics alone.
    stats = variables["batch_stats"]["norm"]["var"]
    assert np.abs(np.asarray(found.variables["batch_stats"]["norm"]["var"]) - stats).max() > 1e-3
    for layer in ("conv", "norm"):
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6),
            found.variables["params"][layer],
            variables["params"][layer],
        )
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-8),
        found.variables["params"]["logits"],
        other.variables["params"]["logits"],
    )
    data = found.config.data
    assert (data.mean, data.std, data.eval_resize) == (PIXELS.mean, PIXELS.std, "torchvision")
    assert (data.image_size, data.eval_side) == (8, 10), "the resized image keeps its share of the input"
    assert found.config.init.sha256 == sha256_of(weights)
    assert f"config.data.mean: (127.5, 127.5, 127.5) -> (100.0, 110.0, 120.0), as {weights} says" in stream.getvalue()
    assert flatten(found.config)["init.sha256"] in (tmp_path / "run/config.json").read_text()


class SignalAtRow(io.StringIO):
    def write(self, text):
        if "step 2/4" in text:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().write(text)


def test_a_run_that_is_continued_needs_no_file(weights, tmp_path, mesh, monkeypatch):
    config = config_from(weights, log=replace(CONFIG.log, every_steps=2), optimizer=Optimizer(learning_rate=0.1))
    train(config, tmp_path / "whole", mesh=mesh, stream=io.StringIO())
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", mesh=mesh, stream=SignalAtRow())
    for path in (weights, weights.with_suffix(".json")):
        path.rename(path.with_name(f"gone{path.suffix}"))
    monkeypatch.setattr(loop, "read_initial", None)
    train(config, tmp_path / "run", mesh=mesh, stream=io.StringIO())
    found, whole = (load_trained(tmp_path / name, "newest", mesh) for name in ("run", "whole"))
    jax.tree.map(np.testing.assert_array_equal, found.variables, whole.variables)
    assert found.config == whole.config


def test_a_file_that_moves_is_the_same_and_another_is_not(weights, variables, tmp_path, mesh):
    workdir = tmp_path / "run"
    results = train(config_from(weights), workdir, mesh=mesh, stream=io.StringIO())
    moved = tmp_path / "moved.safetensors"
    weights.rename(moved)
    weights.with_suffix(".json").rename(moved.with_suffix(".json"))
    assert train(config_from(moved), workdir, mesh=mesh, stream=io.StringIO()) == results
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, jax.tree.map(lambda x: 2 * x, variables), META)
    with pytest.raises(RunDirectoryError, match=r"init\.sha256: '[0-9a-f]{64}' -> '[0-9a-f]{64}'"):
        train(config_from(other), workdir, mesh=mesh, stream=io.StringIO())
    with pytest.raises(RunDirectoryError, match=r"init\.skip: "):
        train(config_from(moved, "^(logits|aux|norm)"), workdir, mesh=mesh, stream=io.StringIO())
    given = replace(config_from(other), init=Init(str(other), "^logits", "0" * 64))
    with pytest.raises(ConfigError, match=r"config\.init\.sha256 is 0+, that of .*other\.safetensors"):
        with_weights_file(given, tmp_path / "new")


def test_background_is_no_class_to_start_from(tmp_path):
    path = tmp_path / "w.safetensors"
    variables = variables_of(11, aux=False)
    save_checkpoint(path, variables, replace(META, num_classes=11, aux=False, class_names=(), class_offset=1))
    found = read_initial(config_from(path, ""), FakeNetwork(10, aux=False))
    np.testing.assert_array_equal(found["params/logits/kernel"], variables["params"]["logits"]["kernel"][:, 1:])


@pytest.mark.parametrize(
    ("skip", "aux", "words"),
    [
        ("", True, r"of another shape params/aux/bias \(3,\) for \(10,\), .*skip='\^\(aux\|logits\)/'$"),
        ("^logits", False, r"the network has no place for params/aux/bias, .*skip='\^logits\|\^\(aux\)/'$"),
        ("^logit$", True, r"config\.init\.skip: '\^logit\$' is found in no layer \(aux, conv, logits, norm\)"),
    ],
)
def test_what_does_not_fit_is_listed_with_the_remedy(weights, skip, aux, words):
    with pytest.raises(ConfigError, match=words):
        read_initial(config_from(weights, skip), FakeNetwork(10, aux=aux))


def test_what_the_file_lacks_is_listed(tmp_path):
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, variables_of(aux=False), replace(META, aux=False))
    with pytest.raises(ConfigError, match="the file lacks params/aux/bias, params/aux/kernel"):
        read_initial(config_from(path, "^logits"), FakeNetwork(10))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Model("inception_v3"), "name is 'googlenet', not 'inception_v3'.*--config.model.name=googlenet"),
        (Model(variant="slim"), f"variant is '{VARIANT}', not 'slim'; --config.model.variant={VARIANT}"),
        (Model(width=0.5), r"width is 1\.0, not 0\.5; --config.model.width=1\.0"),
        (Model(options={"stem_pools": 1}), "options is {}, not {'stem_pools': 1}; change config.model.options"),
    ],
)
def test_another_network_is_named_with_the_flags_that_choose_it(weights, tmp_path, model, words):
    with pytest.raises(ConfigError, match=f"holds another network than config.model: .*{words}"):
        with_weights_file(config_from(weights, model=model), tmp_path / "run")


def test_a_run_that_cannot_start_leaves_no_directory(weights, tmp_path, mesh):
    for config in (config_from(weights, "^logits"), config_from(tmp_path / "none.safetensors")):
        with pytest.raises((ConfigError, BadCheckpoint)):
            train(config, tmp_path / "run", mesh=mesh)
    assert not (tmp_path / "run").exists()


def test_a_section_that_makes_no_sense_is_refused_at_once(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.init\.skip \('\('\) is no regular expression"):
        resolve({"init": {"weights": "w", "skip": "("}})
    with pytest.raises(ConfigError, match=r"config\.init\.skip or sha256 is given, .* names no file"):
        train(replace(CONFIG, init=Init(skip="^logits")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
