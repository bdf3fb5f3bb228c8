"""Inception-v3 by tensorflow/models' inception_distributed_train.py: the paper's rate, no clipping.

It prints no result. 50 workers of 32 images, synchronous; its schedule counts updates of the whole batch.

    inception-jax train --config=experiments/inception_v3/tf_models_distributed.py --workdir=runs/inception_v3_tf
"""

from experiments.arguments import experiment
from experiments.inception_v3 import tf_models
from experiments.sources import OURS, TF_MODELS, cite

ROWS = {"": ()}


@experiment
def get_config():
    """The distributed trainer."""
    config = tf_models.get_config()
    code = TF_MODELS("inception_distributed_train.py")
    cite(config, code, steps=1_000_000, optimizer={"learning_rate": 0.045})
    cite(config, code, schedule={"decay_factor": 0.94, "decay_epochs": 2.0})
    cite(config, OURS("the paper's 50 replicas of 32"), batch_size=1600)
    return config
