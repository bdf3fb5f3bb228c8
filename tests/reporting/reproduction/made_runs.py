"""Run directories as training leaves them, with curves of the test's choice instead of training."""

import dataclasses
import json
import math
from pathlib import Path

from experiments.index import FOLDER
from inception_jax.cli.report import read_experiments
from inception_jax.config import Config, resolve

EXPERIMENTS = read_experiments(FOLDER)
BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}


def config_of(name: str, scale: str = "mini", seed: int = 0, **changes) -> Config:
    """The config of an experiment, with a seed and changed fields of sections: `optimizer={"momentum": 0.8}`."""
    config = dataclasses.replace(BY_NAME[name].config(scale), seed=seed)
    changed = {section: dataclasses.replace(getattr(config, section), **values) for section, values in changes.items()}
    return resolve(dataclasses.asdict(dataclasses.replace(config, **changed)))


def made_run(
    path: Path,
    config: Config,
    error: float = 0.2,
    *,
    halfway: float = 400.0,
    share: float = 1.0,
    steps: int = 1875,
    every: int = 117,
    diverged: int = 0,
    rate: float = 1000.0,
) -> Path:
    """Writes a run whose accuracy rises from chance (0.1) to 1 - `error`, half of the way after `halfway` updates.

    Args:
      path: of the run directory.
      config: its config.
      error: at infinity; the last validation is a little above.
      halfway: in updates.
      share: of the run that was done when it stopped.
      steps: of the whole run.
      every: updates between validations.
      diverged: the update that gave a number that is not finite; 0: none.
      rate: images per second.
    """
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    (path / "environment.json").write_text(json.dumps({"devices": ["cpu"], "jax": "0.10.2"}))
    end = diverged or round(steps * share)
    rows = []
    for step in [*range(every, end, every), *([end] if end == steps else [])]:
        top1 = 0.1 + (0.9 - error) * (1 - 0.5 ** (step / halfway))
        rows.append({"step": step, "train/loss": 2.3 * math.exp(-step / 900), "train/images_per_second": rate})
        rows.append({"step": step, "validation/top1": top1, "validation/top5": 1 - (1 - top1) / 4})
    if diverged:
        rows.append({"step": diverged, "train/learning_rate": 1.0, "train/diverged": 1.0})
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def bn_ladder(folder: Path) -> Path:
    """Three seeds of four rows of the batch norm paper's figure 3, as the paper has them, and what goes wrong."""
    shapes = {"inception": (0.278, 900), "bn_baseline": (0.273, 300), "bn_x5": (0.27, 100), "bn_x30": (0.252, 150)}
    for name, (error, halfway) in shapes.items():
        for seed in range(3):
            config = config_of(f"bn_inception/{name}.py", seed=seed)
            made_run(
                folder / f"{name}_{seed}",
                config,
                error + 0.001 * seed - 0.02 * (name == "inception"),
                halfway=halfway + 5 * seed,
                steps=3750,
            )
    for seed in range(2):
        config = config_of("bn_inception/inception_x5.py", seed=seed)
        made_run(folder / f"inception_x5_{seed}", config, diverged=300, steps=3750)
    made_run(folder / "bn_x5_again", config_of("bn_inception/bn_x5.py", seed=1), 0.3, steps=3750)
    made_run(folder / "bn_x5_stopped", config_of("bn_inception/bn_x5.py", seed=4), share=0.4, steps=3750)
    changed = config_of("bn_inception/bn_x5.py", seed=5, optimizer={"momentum": 0.8})
    made_run(folder / "bn_x5_other_momentum", changed, 0.26, steps=3750)
    return folder
