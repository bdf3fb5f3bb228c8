"""What an export says of a run or a weights file is enough to build the same network again."""

import json
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import pytest

from inception_jax.cli.main import main
from inception_jax.config import Config, defaults, resolve
from inception_jax.training.experiment import build_network
from inception_jax.training.export import model_of
from inception_jax.training.trained import Trained, config_of
from inception_jax.weights.checkpoint import load, network_of, save_checkpoint
from inception_jax.weights.preprocessing import of_data
from tests.weights.random_model import random_model, random_variables

CLASSES = ("rose", "tulip", "daisy")


@pytest.fixture
def config() -> Config:
    changed = defaults()
    changed.model.update(name="googlenet", width=0.1, dtype="bfloat16", remat=2, bn_group_size=0, dropout=0.1)
    changed.model.options = {"batch_norm": True, "stem_stride": 1}
    changed.data.update(image_size=32, eval_resize="torchvision", eval_side=36, mean=(1.0, 2.0, 3.0))
    return resolve(changed)


@pytest.fixture
def run(config, tmp_path) -> Trained:
    network = build_network(config, len(CLASSES))
    workdir = tmp_path / "flowers"
    workdir.mkdir()
    rows = [{"step": step, "validation/top1": step / 100, "validation/top5": 1.0} for step in (20, 50)]
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Trained(config, network, random_variables(network, 32), CLASSES, workdir, 50)


def test_the_description_builds_the_runs_network_in_float32(run, config):
    model = model_of(run)
    assert model.network == network_of(model.meta)
    assert model.network.style.dtype == jnp.float32
    assert model.network.rows == run.network.rows
    assert model.meta.variant == "paper"
    assert model.meta.preprocessing == of_data(config.data)
    assert model.meta.class_names == CLASSES
    assert model.meta.accuracy == (50.0, 100.0)
    assert (model.meta.source, model.meta.source_format) == ("run flowers, step 50", "run")
    again = config_of(model.meta)
    assert again.model == replace(config.model, variant="paper", dtype="float32", remat=0)
    assert of_data(again.data) == of_data(config.data)


def test_a_run_that_was_not_validated_has_no_accuracy(run):
    assert model_of(replace(run, step=20)).meta.accuracy == (20.0, 100.0)
    assert model_of(replace(run, step=30)).meta.accuracy == ()
    (run.path / "metrics.jsonl").unlink()
    assert model_of(run).meta.accuracy == ()


def test_the_command_exports_a_weights_file_without_the_background(tmp_path, capsys):
    model = random_model("googlenet", "slim", num_classes=4, width=0.1)
    meta = replace(model.meta, class_names=("background", *CLASSES), class_offset=1, source="slim/inception_v1")
    weights, out = tmp_path / "w.safetensors", tmp_path / "o.safetensors"
    save_checkpoint(weights, model.variables, meta)
    assert main(["export", f"--weights={weights}", str(out), "--to=safetensors", "--fold-bn"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{out}: googlenet slim as safetensors, {out.stat().st_size:,} bytes")
    assert "of random images differ from the network's by at most" in printed
    network, _, described = load(out)
    assert network.style.norm is None
    assert (described.num_classes, described.class_names, described.class_offset) == (3, CLASSES, 0)
    assert (described.source, described.folded) == ("slim/inception_v1", True)

    def fails(*arguments: str | Path) -> str:
        assert main(["export", f"--weights={weights}", *map(str, arguments)]) == 2
        [line] = capsys.readouterr().err.splitlines()
        return line

    assert "is there already" in fails(out, "--to=safetensors")
    assert "must end in .onnx" in fails(tmp_path / "o.pb", "--to=onnx")
    assert "there is no folder" in fails(tmp_path / "none" / "o.onnx", "--to=onnx")
    assert "torchvision variant at width 1; these weights have width 0.1" in fails(
        tmp_path / "t.safetensors", "--to=torchvision"
    )
    assert "--input is for" in fails(tmp_path / "t.safetensors", "--to=timm", "--input=uint8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.json", "o.safetensors", "w.json", "w.safetensors"]
