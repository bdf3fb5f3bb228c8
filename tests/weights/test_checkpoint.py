"""Our checkpoints: what goes in comes out, and what is damaged, mixed up or senseless does not."""

import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest

from inception_jax.new_file import OutputFileError
from inception_jax.weights.checkpoint import (
    BadCheckpoint,
    Meta,
    abstract_of,
    load,
    network_of,
    save_checkpoint,
    sidecar_of,
)
from inception_jax.weights.preprocessing import Preprocessing

META = Meta(
    network="googlenet",
    variant="slim",
    num_classes=3,
    aux=False,
    preprocessing=Preprocessing(224, "torchvision", side=256, mean=(1.0, 2.0, 3.0)),
    options={"stem_stride": 1},
    class_names=("tench", "goldfish", "näckrose"),
    class_offset=1,
    source="slim/inception_v1",
    source_sha256="0" * 64,
    accuracy=(69.8, 89.6),
)


@pytest.fixture(scope="module")
def variables():
    rng = np.random.default_rng(0)
    abstract = abstract_of(network_of(META), 64)
    return jax.tree.map(lambda leaf: rng.uniform(0.1, 1, leaf.shape).astype(leaf.dtype), abstract)


@pytest.fixture
def saved(variables, tmp_path) -> Path:
    save_checkpoint(tmp_path / "w.safetensors", variables, META)
    return tmp_path / "w.safetensors"


def test_what_goes_in_comes_out(saved, variables):
    network, loaded, meta = load(saved)
    assert meta == META
    assert network == network_of(META)
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)
    assert sorted(path.name for path in saved.parent.iterdir()) == ["w.json", "w.safetensors"]


def test_no_file_is_written_over(saved, variables):
    before = saved.read_bytes(), sidecar_of(saved).read_bytes()
    with pytest.raises(OutputFileError, match=r"w\.json is there already"):
        save_checkpoint(saved, variables, META)
    sidecar_of(saved).unlink()
    with pytest.raises(OutputFileError, match=r"w\.safetensors is there already"):
        save_checkpoint(saved, variables, META)
    assert [path.name for path in saved.parent.iterdir()] == ["w.safetensors"]
    assert saved.read_bytes() == before[0]


def test_a_full_disk_leaves_nothing(variables, tmp_path, monkeypatch):
    synced = os.fsync

    def fail_on_weights(number: int) -> None:
        if os.fstat(number).st_size > 1 << 20:
            raise OSError(28, "No space left on device")
        synced(number)

    monkeypatch.setattr(os, "fsync", fail_on_weights)
    with pytest.raises(OutputFileError, match="No space left"):
        save_checkpoint(tmp_path / "w.safetensors", variables, META)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "match"), [(np.nan, "NaN"), (np.inf, "infinite"), (-1.0, "below zero")])
def test_values_that_compute_nothing_are_refused(value, match, variables, tmp_path):
    spoilt = jax.tree.map(np.copy, variables)
    spoilt["batch_stats"]["conv1"]["norm"]["var"][5] = value
    with pytest.raises(BadCheckpoint, match=match) as caught:
        save_checkpoint(tmp_path / "w.safetensors", spoilt, META)
    assert "batch_stats/conv1/norm/var" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_name_must_end_as_a_checkpoint_does(variables, tmp_path):
    with pytest.raises(BadCheckpoint, match=r"must end in \.safetensors"):
        save_checkpoint(tmp_path / "w.pth", variables, META)


def test_one_changed_byte_is_noticed(saved):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(BadCheckpoint, match="damaged"):
        load(saved)


def test_a_missing_file_is_named(saved):
    saved.rename(saved.with_name("renamed.safetensors"))
    with pytest.raises(BadCheckpoint, match=r"renamed\.json.* cannot be read"):
        load(saved.with_name("renamed.safetensors"))
    with pytest.raises(BadCheckpoint, match=r"w\.safetensors: it cannot be read"):
        load(saved)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"network": "lenet"}, "no network is called 'lenet'"),
        ({"network": 5}, "network must be str, got 5"),
        ({"num_classes": True}, "num_classes must be int"),
        ({"num_classes": 4}, "does not hold the variables"),
        ({"colour": "red"}, "no field is called 'colour'"),
        ({"options": {"stem_stride": "1"}}, "stem_stride of googlenet must be int"),
        ({"options": {"width": 2.0}}, "does not hold the variables"),
        ({"preprocessing": {"size": 224, "mean": [1, 2]}}, "mean must be"),
        ({"version": 1}, "version 2; convert its source again"),
    ],
)
def test_a_sidecar_that_says_something_else_is_refused(changes, match, saved):
    sidecar = sidecar_of(saved)
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | changes))
    with pytest.raises(BadCheckpoint, match=match) as caught:
        load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\udcff"])
def test_a_sidecar_that_is_no_json_is_refused(text, saved):
    sidecar_of(saved).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadCheckpoint, match=r"w\.json"):
        load(saved)
