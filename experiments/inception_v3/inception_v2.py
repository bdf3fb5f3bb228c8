"""Inception-v2 (arXiv 1512.00567, table 3): 23.4 % top-1 error, one crop; the first row of the cumulative ladder.

The paper (section 8) trains 50 replicas of 32 images for 100 epochs: here one synchronous batch of 1600 with batch
statistics over groups of 32. A batch that your devices divide is `:batch=1536` or `:batch=2048`, with the rate in
proportion. Its earlier models had momentum; the rate is stated for the best models, and the same here. Weight decay,
the auxiliary weight, dropout and the average's constant are of the released TensorFlow code.

Errors of this table are over the 48,238 images that are not blacklisted; all 50,000 add about 0.2 top-1.

    inception-jax train --config=experiments/inception_v3/inception_v2.py --workdir=runs/inception_v2
"""

from experiments import base
from experiments.arguments import experiment
from experiments.sources import OURS, RETHINKING, SLIM, TF_MODELS, cite

ROWS = {"": ("R7",)}


@experiment
def get_config():
    """The paper's recipe with momentum, and its network before the later rows of table 3."""
    config = base.ilsvrc(299)
    paper = RETHINKING("section 8")
    cite(config, RETHINKING("tables 1 and 3"), model={"name": "inception_v2", "variant": "table3_baseline"})
    cite(config, paper("50 replicas of 32 images"), batch_size=1600, model={"bn_group_size": 32})
    cite(config, paper, epochs=100.0, optimizer={"clip_norm": 2.0})
    cite(config, paper("of its earlier models"), optimizer={"name": "momentum", "momentum": 0.9})
    cite(config, paper("stated for the best models"), optimizer={"learning_rate": 0.045})
    cite(config, paper, schedule={"name": "staircase", "decay_factor": 0.94, "decay_epochs": 2.0})
    cite(config, TF_MODELS("inception_model.py"), optimizer={"weight_decay": 4e-5}, model={"dropout": 0.2})
    cite(config, TF_MODELS("inception_train.py"), loss={"aux_weight": 0.4}, average={"decay": 0.9999})
    cite(config, SLIM("inception_preprocessing.py, fast mode"), data={"photometric": "fast"})
    cite(config, OURS("what is looked at"), log={"every_steps": 100})
    return config
