"""BN-Inception as it was trained, at full size: asynchronous workers of 32 images (arXiv 1502.03167, section 4.2).

`bn_inception/bn_baseline.py` makes one synchronous update of every 32 images; here each is the gradient of a replica at
stale parameters. The paper does not say how many there were, nor how fast.

    inception-jax train --config=experiments/distbelief/bn_inception.py:replicas=16 --workdir=runs/bn_inception_downpour
"""

from experiments.arguments import experiment
from experiments.bn_inception import bn_baseline
from experiments.sources import BATCH_NORM, DISTBELIEF, OURS, cite

ROWS = {"replicas=16": ()}


@experiment
def get_config(replicas: int = 16):
    """The baseline with a server and replicas."""
    config = bn_baseline.get_config()
    cite(config, BATCH_NORM("section 4.2, a system like DistBelief"), parallelism={"name": "downpour"})
    cite(config, DISTBELIEF("section 4.1, as in its experiments"), parallelism={"n_push": 1, "n_fetch": 1})
    cite(config, OURS("it does not say"), parallelism={"replicas": replicas, "times": "lognormal:0.5"})
    return config
