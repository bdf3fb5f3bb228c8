"""Inception-v4 by the Cloud TPU trainer: 80,000 steps of 256 images, one cold epoch and two of warm-up.

The rate is 0.15 for every 256 images, raised so that it is that after the warm-up, which replaces the beginning of the
decay: cold at 0.001, then linear. No result of it was read in a source.

    inception-jax train --config=experiments/inception_v4/cloud_tpu.py --workdir=runs/inception_v4_cloud_tpu
"""

from experiments.arguments import experiment
from experiments.inception_v4 import inception_v4
from experiments.sources import TPU, cite

ROWS: dict[str, tuple[str, ...]] = {"": ()}


@experiment
def get_config():
    """The Cloud TPU recipe."""
    config = inception_v4.get_config()
    code, peak = TPU("inception_v4.py"), 0.15 / 0.94 ** (3 / 2)
    cite(config, code, batch_size=256, steps=80_000, optimizer={"learning_rate": peak})
    cite(config, code, schedule={"decay_factor": 0.94, "decay_epochs": 2.0, "final_fraction": 1e-4, "overlay": True})
    cite(config, code, schedule={"cold_epochs": 1.0, "cold_fraction": 0.001 / peak, "warmup_epochs": 2.0})
    cite(config, code, average={"decay": 0.995}, model={"bn_decay": 0.995})
    return config
