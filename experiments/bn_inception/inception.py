"""Inception without batch norm (arXiv 1502.03167, figure 3): 72.2 % accuracy (27.8 % error) after 31.0e6 steps.

The paper's own network with biases and GoogLeNet's local response norms, at its rate. It does not state momentum,
weight decay or the constants of the exponential decay: those are of GoogLeNet, its predecessor. Steps are updates of
32 images by asynchronous workers; here each is one synchronous update. `:batch=1024` is the same training on larger
batches.

    inception-jax train --config=experiments/bn_inception/inception.py --workdir=runs/inception
"""

from experiments import base
from experiments.arguments import experiment
from experiments.sources import BATCH_NORM, CAFFE, GOOGLENET, OURS, SLIM, cite

ROWS = {"": ("B1",)}


@experiment
def get_config():
    """What the paper calls Inception."""
    config = base.ilsvrc(224)
    cite(config, BATCH_NORM("figure 5"), model={"name": "bn_inception", "variant": "paper"})
    cite(config, BATCH_NORM("section 4.2"), model={"options": {"batch_norm": False, "lrn": True}, "dropout": 0.4})
    cite(config, BATCH_NORM("section 4.2"), batch_size=32, optimizer={"learning_rate": 0.0015})
    cite(config, BATCH_NORM("figure 3"), steps=31_000_000)
    cite(config, BATCH_NORM("section 4.2"), optimizer={"name": "momentum"})
    cite(config, GOOGLENET("section 6, as this paper states no value"), optimizer={"momentum": 0.9})
    cite(config, GOOGLENET("section 6"), schedule={"name": "staircase", "decay_factor": 0.96, "decay_epochs": 8.0})
    cite(config, CAFFE("solver"), optimizer={"weight_decay": 2e-4})
    cite(config, SLIM("inception_preprocessing.py, all four"), data={"photometric": "full"})
    cite(config, OURS("none is mentioned"), loss={"aux_weight": 0.0}, average={"decay": 0.0})
    return config
