"""Every experiment: it resolves, says how it is run and where its values come from, and takes a step."""

import functools
import importlib
import re
import runpy
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import index, scale
from experiments.arguments import experiment
from experiments.reproductions import __main__ as reproductions
from inception_jax import models
from inception_jax.cli.config_flags import load_config, load_sources
from inception_jax.cli.main import main
from inception_jax.cli.sweep_members import members
from inception_jax.config import Config, ConfigError, defaults, flatten, resolve
from inception_jax.data.pipeline import train_iterator
from inception_jax.data.sources import open_source
from inception_jax.distributed.mesh import make_mesh
from inception_jax.reporting.published import published
from inception_jax.reporting.reproduction.papers import paper_table
from inception_jax.training.experiment import build_network
from inception_jax.training.optimizers import make_optimizer
from inception_jax.training.schedules import make_schedule, training_steps
from inception_jax.training.state import Metrics, TrainState, abstract_state
from inception_jax.training.step import abstract_batch, make_train_step

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "experiments").rglob("*.py")
    if re.search(r"^def get_config\b", path.read_text(), re.MULTILINE)
)


def module_of(file: str) -> Any:
    return importlib.import_module(file.removesuffix(".py").replace("/", "."))


def with_argument(run: str, argument: str) -> str:
    """`FILE:member=3` and `mini` as `FILE:member=3,mini`."""
    file, colon, own = run.partition(":")
    return f"{file}:{own},{argument}" if colon else f"{file}:{argument}"


# An experiment with its arguments is a row of a table each.
ROWS = {
    f"{file}:{argument}" if argument else file: rows
    for file in FILES
    for argument, rows in getattr(module_of(file), "ROWS", {"": ()}).items()
}
RUNS = tuple(ROWS)
SWEEPS = [
    path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "experiments").rglob("*.py"))
    if re.search(r"^def sweep\b", path.read_text(), re.MULTILINE)
]
TABLES = runpy.run_path(str(ROOT / "docs" / "reproductions.py"))["TABLES"]
PAPERS = tuple(run for run in RUNS if "quickstart" not in run)


@functools.cache
def config_of(run: str) -> Config:
    return load_config([f"--config={ROOT / run}"])


def test_there_are_experiments():
    assert "experiments/quickstart/digits.py" in FILES
    assert "experiments/googlenet/ensemble.py:member=7" in RUNS


@pytest.mark.parametrize("file", FILES)
def test_an_experiment_says_how_it_is_run(file):
    text = (ROOT / file).read_text()
    docstring = compile(text, file, "exec").co_consts[0]
    assert isinstance(docstring, str)
    commands = re.findall(r"^    inception-jax train --config=(\S+) --workdir=\S+$", docstring, re.MULTILINE)
    assert len(commands) == 1
    assert commands[0] in RUNS
    assert commands[0].partition(":")[0] == file


@pytest.mark.parametrize("run", RUNS)
def test_an_experiment_resolves_at_every_size(run):
    full, mini, tiny = config_of(run), config_of(with_argument(run, "mini")), config_of(with_argument(run, "tiny"))
    assert full.epochs or full.steps
    assert tiny.data.source == "digits"
    if full.data.source == "tfds:imagenet2012":
        assert mini.data.source == "tfds:fashion_mnist"
        assert training_steps(mini, 60_000) < 4000
    else:
        assert mini == full


def kinds(config: Config) -> dict[str, Any]:
    """Fields, and of a number only whether it is 0: configs that have the same run the same operations."""
    fields = flatten(config).items()
    return {name: bool(x) if isinstance(x, float) and name != "model.width" else x for name, x in fields}


_NETWORKS: dict[str, Any] = {}


def network_of(config: Config, classes: int) -> Any:
    """Traced at the size of its images, once for all experiments that differ in numbers."""
    fields = kinds(config).items()
    key = repr((classes, {k: x for k, x in fields if k.startswith("model.") or k == "data.image_size"}))
    if key not in _NETWORKS:
        _NETWORKS[key] = build_network(config, classes)
    return _NETWORKS[key]


@pytest.mark.parametrize("run", RUNS)
def test_the_network_of_an_experiment_accepts_its_images(run):
    classes = 1000 if run in PAPERS else 10
    assert network_of(config_of(run), classes).num_classes == classes
    mini = config_of(with_argument(run, "mini"))
    rows = models.architecture(mini.model.name, mini.model.variant, **mini.model.options).rows
    assert models.smallest_input(rows) <= mini.data.image_size


@pytest.mark.parametrize("run", RUNS)
def test_an_experiment_takes_a_tiny_step(run):
    config = config_of(with_argument(run, "tiny"))
    train = open_source(config.data.source, config.data.train_split)
    batch = {name: jnp.asarray(rows) for name, rows in next(train_iterator(train, config)).items()}
    expected = abstract_batch(config, make_mesh(jax.devices()[:1]))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), batch) == jax.tree.map(lambda x: (x.shape, x.dtype), expected)
    before, after, metrics = _step(config, train, batch)
    assert after.metrics.bad_step == -1
    assert after.step == 1
    assert metrics["examples"] == config.batch_size
    assert np.isfinite(metrics["loss"])
    moved = jax.tree.map(lambda new, old: bool((new != old).any()), after.params["logits"], before.params["logits"])
    assert all(jax.tree.leaves(moved)) == (metrics["learning_rate"] > 0)


_STEPS: dict[str, Any] = {}
# What the step reads of `data`; the rest has made the batch.
ON_THE_DEVICE = ("data.image_size", "data.flip", "data.photometric")


def _step(config: Config, train: Any, batch: dict[str, jax.Array]) -> Any:
    """State before and after a step on `batch`, and its metrics; once for all configs that differ in numbers.

    Operation by operation: what one network compiles serves all, where a whole step takes seconds each.
    """
    fields = kinds(config).items()
    program = repr({k: x for k, x in fields if k in ON_THE_DEVICE or (k != "seed" and not k.startswith("data."))})
    if program not in _STEPS:
        schedule = make_schedule(config, len(train))
        optimizer = make_optimizer(config.optimizer, schedule)
        network = network_of(config, len(train.class_names))
        state = _filled(abstract_state(network, config, optimizer, make_mesh(jax.devices()[:1])))
        step = make_train_step(network, config, optimizer=optimizer, schedule=schedule)
        _STEPS[program] = state, *step(state, batch)
    return _STEPS[program]


def _filled(abstract: TrainState) -> TrainState:
    rng = np.random.default_rng(0)

    def noise(x: Any) -> Any:
        return jnp.asarray(rng.normal(scale=0.1, size=x.shape), x.dtype)

    def zeros(x: Any) -> Any:
        return jnp.zeros(x.shape, x.dtype)

    params = jax.tree.map(noise, abstract.params)
    batch_stats = jax.tree.map(lambda x: zeros(x) + 1, abstract.batch_stats)
    return TrainState(
        step=zeros(abstract.step),
        seed=zeros(abstract.seed),
        params=params,
        batch_stats=batch_stats,
        opt_state=jax.tree.map(zeros, abstract.opt_state),
        average=abstract.average and {"params": params, "batch_stats": batch_stats},
        metrics=Metrics.zeros(),
    )


@pytest.mark.parametrize("file", [file for file in FILES if config_of(file).data.source == "digits"])
def test_the_splits_of_an_experiment_without_download_exist(file):
    data = config_of(file).data
    train = open_source(data.source, data.train_split)
    held_out = open_source(data.source, data.eval_split)
    assert train.class_names == held_out.class_names
    assert {train[i].name for i in range(len(train))}.isdisjoint(held_out[i].name for i in range(len(held_out)))


# What a recipe is made of, with the condition under which it is part of it.
HYPERPARAMETERS = {
    "batch_size": lambda c: True,
    "model.name": lambda c: True,
    "model.variant": lambda c: True,
    "model.dropout": lambda c: True,
    "model.dtype": lambda c: True,
    "model.bn_group_size": lambda c: network_of(c, 1000).style.norm is not None,
    "data.source": lambda c: True,
    "data.image_size": lambda c: True,
    "data.crop": lambda c: True,
    "data.area": lambda c: c.data.crop == "inception",
    "data.aspect": lambda c: c.data.crop == "inception",
    "data.shift": lambda c: c.data.crop == "shift",
    "data.flip": lambda c: True,
    "data.photometric": lambda c: True,
    "data.interpolation": lambda c: True,
    "loss.label_smoothing": lambda c: True,
    "loss.aux_weight": lambda c: bool(network_of(c, 1000).heads),
    "optimizer.name": lambda c: True,
    "optimizer.learning_rate": lambda c: True,
    "optimizer.momentum": lambda c: True,
    "optimizer.rms_decay": lambda c: c.optimizer.name == "rmsprop",
    "optimizer.epsilon": lambda c: c.optimizer.name == "rmsprop",
    "optimizer.weight_decay": lambda c: True,
    "optimizer.clip_norm": lambda c: True,
    "schedule.name": lambda c: True,
    "schedule.decay_factor": lambda c: c.schedule.name == "staircase",
    "schedule.decay_epochs": lambda c: c.schedule.name == "staircase" and not c.schedule.decay_steps,
    "schedule.power": lambda c: c.schedule.name == "poly",
    "average.decay": lambda c: True,
}


@pytest.mark.parametrize("run", PAPERS)
def test_every_hyperparameter_of_a_papers_row_has_a_source(run):
    config, sources = load_sources([f"--config={ROOT / run}"])
    kinds = {source.kind for source in sources.values()}
    assert kinds <= {"paper", "public code", "our choice", "default"}
    for name, counts in HYPERPARAMETERS.items():
        if counts(config):
            assert sources[name].kind != "default", name
    assert sources["steps" if config.steps else "epochs"].kind != "default"
    assert not [name for name, source in sources.items() if "no source given" in source.where]


@pytest.mark.parametrize("run", PAPERS)
def test_what_is_modern_is_off_in_a_papers_row(run):
    config = config_of(run)
    assert config.optimizer.name in ("momentum", "caffe", "rmsprop", "adagrad")
    if config.data.source == "tfds:imagenet2012":  # what no paper trained on has a schedule of ours
        assert config.schedule.name != "cosine"


@pytest.mark.parametrize("run", PAPERS)
def test_an_experiment_differs_from_what_it_derives_from_by_a_handful_of_lines(run):
    text = (ROOT / run.partition(":")[0]).read_text()
    body = text.rpartition("\ndef get_config")[2]
    assert body.count("cite(") <= 12


@experiment
def get_config(member: int = 1, share: float = 0.5):
    config = defaults()
    config.update(seed=member, batch_size=32, epochs=10.0)
    config.data.source = "tfds:imagenet2012"
    config.data.area = (share, 1.0)
    config.optimizer.learning_rate = 0.1
    config.average.decay = 0.99
    return config


def test_arguments_are_those_of_the_function_and_the_shared_ones():
    assert resolve(get_config()) == resolve(get_config(""))
    config = resolve(get_config("member=3,share=0.25"))
    assert (config.seed, config.data.area) == (3, (0.25, 1.0))
    assert resolve(get_config(member=3)).seed == 3
    assert resolve(get_config("member=2,mini")).data.source == "tfds:fashion_mnist"
    assert resolve(get_config("mini=cifar10")).data.source == "tfds:cifar10"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("minni", "argument 'minni' is unknown; an experiment takes member=..., share=..., mini, mini=DATASET, tiny"),
        ("member", "argument 'member' is unknown"),
        ("tiny=3", "argument 'tiny=3' is unknown"),
        ("member=three", "argument 'member=three': invalid literal for int()"),
        ("batch=0", "argument batch=0 must be above 0"),
        ("epochs=0", "argument epochs=0 must be above 0"),
    ],
)
def test_an_argument_that_cannot_be_is_named(argument, words):
    with pytest.raises(ConfigError) as error:
        get_config(argument)
    assert words in str(error.value)


def test_the_batch_rule_keeps_the_images_and_scales_the_rate():
    one, eight = resolve(get_config()), resolve(get_config("batch=256"))
    assert (eight.batch_size, eight.epochs) == (256, one.epochs)
    assert eight.optimizer.learning_rate == pytest.approx(8 * one.optimizer.learning_rate)
    assert eight.average.decay == pytest.approx(one.average.decay**8)
    stepped = get_config()
    stepped.steps, stepped.schedule.decay_steps = 8000, 800
    scale.batch(stepped, 256)
    assert (stepped.steps, stepped.schedule.decay_steps) == (1000, 100)


@pytest.mark.parametrize("length", [0.5, 5.0, 40.0])
def test_a_shorter_schedule_has_the_same_shape(length):
    config = get_config()
    config.schedule.update(name="staircase", decay_factor=0.5, decay_epochs=2.0, warmup_epochs=1.0)
    whole = resolve(config)
    scale.epochs(config, length)
    other = resolve(config)
    schedules = [make_schedule(c, scale.IMAGES) for c in (whole, other)]
    lengths = [training_steps(c, scale.IMAGES) for c in (whole, other)]
    for share in (0.05, 0.15, 0.25, 0.45, 0.95):
        rates = [float(np.asarray(s(round(share * n)))) for s, n in zip(schedules, lengths, strict=True)]
        assert rates[0] == pytest.approx(rates[1], rel=1e-3)


@pytest.mark.parametrize("file", SWEEPS)
def test_the_runs_of_a_sweep_are_experiments(file):
    found = members([f"--config={ROOT / file}:tiny"])
    assert len(found) > 1
    assert {run.config.data.source for run in found} == {"digits"}


@pytest.mark.parametrize("name", reproductions.COMPARISONS)
def test_a_reproduction_trains_what_its_table_compares(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    one, table = reproductions.COMPARISONS[name], paper_table(TABLES[name])
    printed = {row.id for row in table.rows}
    for member in members([one.config, *reproductions.SHARED], reproductions.SEEDS):
        row = reproductions.experiment(one, member.overrides)
        assert printed & set(ROWS[f"experiments/{row}"]) or row in table.also


def test_measured_numbers_stand_in_their_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "MEASURED", tmp_path / "measured.csv")
    index.MEASURED.write_text(
        "experiment,scale,result\ngooglenet/naive.py,mini,12.5 ± 0.3\n"
        "inception_v4/residual_scaling.py:scale=0.1,mini,20.0\n"
    )
    lines = index.page().splitlines()
    (naive,) = (line for line in lines if "[naive.py]" in line)
    assert naive.split("|")[7].strip() == "12.5 ± 0.3"
    (scaling,) = (line for line in lines if "[residual_scaling.py]" in line)
    assert scaling.split("|")[7].strip() == "0.1: 20.0"


def test_the_page_of_experiments_is_what_the_files_say():
    assert (ROOT / "experiments" / "README.md").read_text() == index.page(), "run `make docs`"


@pytest.mark.parametrize("run", [run for run in RUNS if ROWS[run]])
def test_a_run_book_prints_the_numbers_of_its_rows(run):
    numbers = {float(text) for text in re.findall(r"\d+\.\d+|\d+", module_of(run.partition(":")[0]).__doc__)}
    for row in (published()[name] for name in ROWS[run]):
        assert {row.top1_error, row.top5_error} - {None} <= numbers, row.id


DOCUMENT = (ROOT / "docs" / "ablations.md").read_text()


def test_the_worked_example_is_a_file_of_a_few_lines():
    shown = re.search(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert shown
    file = (ROOT / "experiments" / "googlenet" / "third_kernel_3.py").read_text()
    assert file.partition('"""\n\n')[2] == shown[1]
    assert len(file.splitlines()) < 20


def test_the_worked_examples_commands_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(tmp_path)
    explain, train, *sweeps, report = [
        line.replace(":mini", ":tiny").split()[2:]
        for line in DOCUMENT.splitlines()
        if line.startswith("$ inception-jax")
    ]
    assert main(explain) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]] == ["model.options.third_kernel"]
    assert main(train) == 0
    assert "2 steps" in capsys.readouterr().out
    assert len(sweeps) == 2
    for arguments in sweeps:
        assert main(arguments) == 0
    assert main(report) == 0
    (page,) = (tmp_path / "reports").glob("*/report.md")
    baseline, ablation = (line for line in page.read_text().splitlines() if "| 0, 1, 2 |" in line)
    assert "reference" in baseline
    assert "changed recipe: model.options.third_kernel 3 instead of" in ablation
