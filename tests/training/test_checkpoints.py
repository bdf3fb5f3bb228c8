import dataclasses
import errno
import functools
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.config import Average, Checkpoint, Config, Data, Mesh, Optimizer
from inception_jax.distributed.mesh import make_mesh, replicated
from inception_jax.training.checkpoints import CheckpointError, Checkpoints, checksum
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.run_directory import RunDirectoryError
from inception_jax.training.schedules import make_schedule
from inception_jax.training.state import abstract_state
from tests.fake_network import FakeNetwork

CONFIG = Config(
    steps=100,
    data=Data(image_size=8),
    optimizer=Optimizer(name="rmsprop"),
    average=Average(decay=0.9),
    checkpoint=Checkpoint(keep_last=2, keep_best=1),
    mesh=Mesh(smallest_shard=64),
)
NAMES = tuple("abcdefghij")
# Where orbax finds a file damaged it leaves the reads of the others behind, which asyncio complains of.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@functools.cache
def abstract(devices=1, model=1, network=None):
    mesh, schedule = make_mesh(jax.devices()[:devices], model=model), make_schedule(CONFIG, 1000)
    return abstract_state(network or FakeNetwork(), CONFIG, make_optimizer(CONFIG.optimizer, schedule), mesh)


def state_at(step, devices=1, model=1):
    """A state whose every array tells the step, of bits that look random."""
    rng = np.random.default_rng(step)

    def fill(x):
        return rng.normal(size=x.shape).astype(x.dtype) if x.dtype == jnp.float32 else np.full(x.shape, step, x.dtype)

    filled = jax.tree.map(lambda x: jax.device_put(fill(x), x.sharding), abstract(devices, model))
    own = {"step": np.int32(step), "seed": np.uint32(CONFIG.seed)}
    return filled.replace(**{name: jax.device_put(x, filled.step.sharding) for name, x in own.items()})


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("three")
    with_three = dataclasses.replace(CONFIG, checkpoint=Checkpoint(keep_last=3))
    checkpoints = Checkpoints(workdir, with_three, NAMES)
    for step in (1, 2, 3):
        checkpoints.save(state_at(step), {"iterator": {"next": step}}, {"top1": 0.5, "top5": 0.9})
    checkpoints.close()
    return workdir


@pytest.fixture
def saved(three, tmp_path):
    """A run with checkpoints of steps 1, 2 and 3."""
    return shutil.copytree(three, tmp_path / "run")


def restore(workdir, config=CONFIG, devices=1, network=None):
    checkpoints = Checkpoints(workdir, config, NAMES)
    try:
        return checkpoints.restore(abstract(devices, network=network))
    finally:
        checkpoints.close()


def assert_is_step(restored, step):
    assert restored.data == {"iterator": {"next": step}}
    assert restored.meta["class_names"] == list(NAMES)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored.state), jax.device_get(state_at(step)))


def test_the_newest_is_restored_bit_by_bit(saved):
    assert_is_step(restore(saved), 3)


@pytest.mark.parametrize(("saving", "restoring"), [(8, 1), (1, 8)])
def test_any_number_of_devices_restores(tmp_path, saving, restoring):
    checkpoints = Checkpoints(tmp_path, CONFIG, NAMES)
    checkpoints.save(state_at(5, saving), {"iterator": {"next": 5}})
    checkpoints.close()
    restored = restore(tmp_path, devices=restoring)
    assert restored
    assert_is_step(restored, 5)
    assert {len(x.sharding.device_set) for x in jax.tree.leaves(restored.state)} == {restoring}


@pytest.mark.parametrize(
    ("saving", "restoring"), [((8, 8), (1, 1)), ((1, 1), (8, 8)), ((8, 2), (4, 4)), ((8, 4), (8, 1))]
)
def test_any_mesh_restores_everything_or_variables_alone(tmp_path, saving, restoring):
    checkpoints = Checkpoints(tmp_path, CONFIG, NAMES)
    checkpoints.save(state_at(5, *saving), {"iterator": {"next": 5}})
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, CONFIG, NAMES, read_only=True)
    target, wanted = abstract(*restoring), state_at(5, *restoring)
    for found, expected in [
        (checkpoints.read(5, target).state, wanted),
        (checkpoints.read_variables(5, target), wanted.variables()),
    ]:
        jax.tree.map(np.testing.assert_array_equal, jax.device_get(found), jax.device_get(expected))
        assert jax.tree.map(lambda x: x.sharding, found) == jax.tree.map(lambda x: x.sharding, expected)
    split = [x for x in jax.tree.leaves(target) if not x.sharding.is_fully_replicated]
    assert bool(split) == (restoring[1] > 1)
    checkpoints.close()


def test_variables_alone_are_verified_and_need_nothing_of_the_optimizer(saved):
    checkpoints = Checkpoints(saved, CONFIG, NAMES, read_only=True)
    found = checkpoints.read_variables(3, abstract())
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(found), jax.device_get(state_at(3).average))
    target = largest(saved / "checkpoints" / "3" / "state")
    flip_bit(target)
    with pytest.raises(Exception, match=r"."):
        checkpoints.read_variables(3, abstract())
    checkpoints.close()


def test_no_checkpoint_is_none(tmp_path):
    assert restore(tmp_path) is None


def test_the_last_and_the_best_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, CONFIG, NAMES)
    for step, top1 in enumerate([0.1, 0.7, None, 0.7, 0.2, None, 0.3], start=1):
        checkpoints.save(state_at(step), {"iterator": {}}, None if top1 is None else {"top1": top1})
        checkpoints.wait()
    assert checkpoints.steps() == [4, 6, 7]
    assert checkpoints.best() == 4
    checkpoints.close()
    again = Checkpoints(tmp_path, CONFIG, NAMES)
    assert (again.steps(), again.best()) == ([4, 6, 7], 4)
    again.close()


def test_a_donated_state_is_saved_as_it_was(tmp_path):
    checkpoints = Checkpoints(tmp_path, CONFIG, NAMES)
    state, spoil = state_at(1), jax.jit(lambda s: jax.tree.map(lambda x: x * 0, s), donate_argnums=0)
    checkpoints.save(state, {"iterator": {"next": 1}})
    spoil(state)
    checkpoints.close()
    assert_is_step(restore(tmp_path), 1)


def truncate(path: Path):
    os.truncate(path, path.stat().st_size // 2)


def flip_bit(path: Path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def largest(state: Path) -> Path:
    # Of what is read: beside it lie descriptions, larger than so small a state, and each process' own part of it.
    return max((state / "d").iterdir(), key=lambda p: p.stat().st_size)


@pytest.mark.parametrize("damage", [truncate, flip_bit, Path.unlink], ids=["truncated", "bit flipped", "missing"])
@pytest.mark.parametrize("which", ["weights", "meta/metadata", "data/metadata"])
def test_a_damaged_newest_falls_back_to_the_one_before(saved, which, damage):
    newest = saved / "checkpoints" / "3"
    target = largest(newest / "state") if which == "weights" else newest / which
    damage(target)
    with pytest.warns(UserWarning, match=r"checkpoints/3 is damaged and was moved to .*checkpoints/damaged/3"):
        restored = restore(saved)
    assert_is_step(restored, 2)
    assert (saved / "checkpoints" / "damaged" / "3").is_dir()
    assert_is_step(restore(saved), 2)  # quietly, now


def test_damaged_validation_metrics_fall_back_too(saved):
    truncate(saved / "checkpoints" / "3" / "metrics" / "metrics")
    with pytest.warns(UserWarning, match=r"checkpoints/3 is damaged"):
        assert_is_step(restore(saved), 2)


def test_every_file_of_a_checkpoint_may_be_missing(saved):
    newest = saved / "checkpoints" / "3"
    whole = saved.parent / f"{saved.name}-whole"
    shutil.copytree(saved, whole)
    for name in sorted(str(p.relative_to(newest)) for p in newest.rglob("*") if p.is_file()):
        shutil.rmtree(saved)
        shutil.copytree(whole, saved)
        (newest / name).unlink()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            restored = restore(saved)
        # Either the file was not needed and everything is there, or the one before is.
        assert_is_step(restored, 2 if any("is damaged" in str(w.message) for w in caught) else 3)


def test_two_damaged_checkpoints_in_a_row(saved):
    for step in ("2", "3"):
        truncate(largest(saved / "checkpoints" / step / "state"))
    with pytest.warns(UserWarning, match="damaged") as caught:
        assert_is_step(restore(saved), 1)
    assert len(caught) == 2


def test_no_silent_fresh_start_when_all_are_damaged(saved):
    for step in ("1", "2", "3"):
        shutil.rmtree(saved / "checkpoints" / step / "state")
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(RunDirectoryError, match="every checkpoint"):
        restore(saved)
    with pytest.raises(RunDirectoryError, match=r"remove that directory to start from step 0"):
        restore(saved)
    shutil.rmtree(saved / "checkpoints" / "damaged")
    assert restore(saved) is None


def test_half_written_directories_are_ignored(saved):
    half = saved / "checkpoints" / "4.orbax-checkpoint-tmp-0"
    shutil.copytree(saved / "checkpoints" / "3", half)
    shutil.rmtree(half / "state")
    assert_is_step(restore(saved), 3)


def test_another_config_is_refused_not_called_damaged(saved):
    other = dataclasses.replace(CONFIG, optimizer=Optimizer(name="rmsprop", learning_rate=0.25))
    with pytest.raises(RunDirectoryError, match=r"optimizer\.learning_rate: 0\.01 -> 0\.25"):
        restore(saved, other)
    assert sorted(os.listdir(saved / "checkpoints")) == ["1", "2", "3"]


def test_another_network_is_refused_not_called_damaged(saved):
    with pytest.raises(
        RunDirectoryError, match=r"params/aux/bias is float32\[10\] in the checkpoint and float32\[7\] in the code"
    ):
        restore(saved, network=FakeNetwork(num_classes=7))
    assert sorted(os.listdir(saved / "checkpoints")) == ["1", "2", "3"]


def test_reading_changes_nothing_on_disk(saved):
    half = saved / "checkpoints" / "4.orbax-checkpoint-tmp-0"
    half.mkdir()
    truncate(largest(saved / "checkpoints" / "3" / "state"))
    checkpoints = Checkpoints(saved, CONFIG, read_only=True)
    with pytest.raises(Exception, match=r"."):
        checkpoints.read(3, abstract())
    assert_is_step(checkpoints.read(2, abstract()), 2)
    checkpoints.close()
    assert sorted(os.listdir(saved / "checkpoints")) == ["1", "2", "3", half.name]


def test_an_asynchronous_save_that_fails_is_reported(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, CONFIG, NAMES)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ocp.JsonCheckpointHandler, "async_save", full)
    monkeypatch.setattr(ocp.JsonCheckpointHandler, "save", full)

    def save_and_wait():
        checkpoints.save(state_at(1), {"iterator": {}})
        checkpoints.wait()

    with pytest.raises(CheckpointError, match=r"No space left on device"):
        save_and_wait()


FULL_DISK = textwrap.dedent("""
    import resource, signal, sys
    from pathlib import Path
    import jax
    import numpy as np
    sys.path[:0] = sys.argv[2:]
    from tests.training.test_checkpoints import CONFIG, NAMES, state_at
    from inception_jax.training.checkpoints import CheckpointError, Checkpoints
    state = state_at(1)
    noise = np.random.default_rng(0).normal(size=(1 << 18,)).astype(np.float32)
    state.params["logits"]["bias"] = jax.device_put(noise)
    checkpoints = Checkpoints(Path(sys.argv[1]), CONFIG, NAMES)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        checkpoints.save(state, {"iterator": {}})
        checkpoints.wait()
    except CheckpointError as error:
        print("CheckpointError:", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
""")


def test_a_disk_that_refuses_the_weights_is_reported(tmp_path):
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), root]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in found.stdout.splitlines() if line.startswith("CheckpointError:")]
    assert len(lines) == 1, found.stdout + found.stderr
    assert str(tmp_path / "checkpoints") in lines[0]
    assert "File too large" in lines[0]
    assert restore(tmp_path) is None


@given(st.integers(0, 2**32 - 1), st.data())
def test_the_checksum_sees_every_bit(seed, data):
    rng = np.random.default_rng(seed)
    tree = {
        "a": rng.normal(size=(3, 5)).astype(np.float32),
        "b": rng.integers(0, 9, 4).astype(np.int32),
        "c": np.float32(1.5),
    }
    before = int(checksum(tree))
    name = data.draw(st.sampled_from(["a", "b", "c"]))
    bits = tree[name].reshape(-1).view(np.uint32).copy()
    bits[data.draw(st.integers(0, bits.size - 1))] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    changed = {**tree, name: bits.view(tree[name].dtype).reshape(tree[name].shape)}
    assert int(checksum(changed)) != before


def test_the_checksum_is_the_same_on_any_number_of_devices():
    state = jax.device_get(state_at(3))
    sums = {int(checksum(jax.device_put(state, replicated(make_mesh(jax.devices()[:n]))))) for n in (1, 2, 8)}
    assert len(sums) == 1
