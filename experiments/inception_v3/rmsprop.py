"""Inception-v2 with RMSProp (arXiv 1512.00567, table 3): 23.1 / 6.3 % top-1 / top-5 error, one crop.

RMSProp as TensorFlow 1 computes it, epsilon 1.0 inside the root.

    inception-jax train --config=experiments/inception_v3/rmsprop.py --workdir=runs/inception_v2_rmsprop
"""

from experiments.arguments import experiment
from experiments.inception_v3 import inception_v2
from experiments.sources import RETHINKING, TF_MODELS, cite

ROWS = {"": ("R8",)}


@experiment
def get_config():
    """Inception-v2 with RMSProp."""
    config = inception_v2.get_config()
    cite(config, RETHINKING("section 8"), optimizer={"name": "rmsprop", "rms_decay": 0.9, "epsilon": 1.0})
    cite(config, RETHINKING("section 8"), optimizer={"learning_rate": 0.045})
    cite(config, TF_MODELS("inception_train.py"), optimizer={"momentum": 0.9})
    return config
