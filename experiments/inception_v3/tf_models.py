"""Inception-v3 by tensorflow/models' inception_train.py: 73.5 % precision at 1 (26.5 % error) after 100,000 steps.

The single-machine trainer: a rate of 0.1 that falls to 16 % every 30 epochs, no clipping. The number is of its notes,
for 8 GPUs with batches of 256 over 20 epochs.

    inception-jax train --config=experiments/inception_v3/tf_models.py --workdir=runs/inception_v3_tf_models
"""

from experiments.arguments import experiment
from experiments.inception_v3 import baseline
from experiments.sources import TF_MODELS, cite

ROWS = {"": ("S6",)}


@experiment
def get_config():
    """The paper's network by the single-machine trainer."""
    config = baseline.get_config()
    code = TF_MODELS("inception_train.py")
    cite(config, code, optimizer={"learning_rate": 0.1, "clip_norm": 0.0})
    cite(config, code, schedule={"decay_factor": 0.16, "decay_epochs": 30.0})
    cite(config, code("its notes"), batch_size=256, steps=100_000)
    cite(
        config,
        TF_MODELS("image_processing.py"),
        data={"area": (0.05, 1.0), "aspect": (0.75, 1.33), "photometric": "full"},
    )
    return config
