"""Inception-v3 by the Cloud TPU trainer: 213,000 steps of 1024 images, a rate of 0.165 for every 256.

Its averages are shorter, for batches that are larger: 0.995 of the weights, 0.996 of batch statistics. No result of it
was read in a source.

    inception-jax train --config=experiments/inception_v3/cloud_tpu.py --workdir=runs/inception_v3_cloud_tpu
"""

from experiments.arguments import experiment
from experiments.inception_v3 import baseline
from experiments.sources import TPU, cite

ROWS = {"": ()}


@experiment
def get_config():
    """The Cloud TPU recipe."""
    config = baseline.get_config()
    code = TPU("inception_v3.py")
    cite(config, code, batch_size=1024, steps=213_000, optimizer={"learning_rate": 0.165 * 4, "clip_norm": 0.0})
    cite(config, code, schedule={"decay_factor": 0.94, "decay_epochs": 3.0, "final_fraction": 1e-4})
    cite(config, code, average={"decay": 0.995}, model={"bn_decay": 0.996})
    cite(config, TPU("inception_preprocessing.py"), data={"area": (0.05, 1.0), "aspect": (3 / 4, 4 / 3)})
    return config
