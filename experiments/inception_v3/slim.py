"""Inception-v3 by the defaults of slim's train_image_classifier.py; slim's own weights have 22.0 / 6.1 % error.

A rate of 0.01 for one worker of 32 images, no label smoothing, no average. How slim's weights were trained is not
stated; the length is the paper's.

    inception-jax train --config=experiments/inception_v3/slim.py --workdir=runs/inception_v3_slim
"""

from experiments.arguments import experiment
from experiments.inception_v3 import baseline
from experiments.sources import SLIM, cite

ROWS = {"": ("S3",)}


@experiment
def get_config():
    """Slim's trainer."""
    config = baseline.get_config()
    code = SLIM("train_image_classifier.py")
    cite(config, code, batch_size=32, optimizer={"learning_rate": 0.01, "clip_norm": 0.0})
    cite(config, code, loss={"label_smoothing": 0.0}, average={"decay": 0.0})
    cite(config, SLIM("inception_preprocessing.py"), data={"area": (0.05, 1.0), "aspect": (0.75, 1.33)})
    return config
