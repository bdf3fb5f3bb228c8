"""GoogLeNet with batch norm (arXiv 1512.00567, table 3, "BN GoogLeNet"): 26.8 % top-1 error, one crop.

The network is TF-slim's `inception_v1`, which has 3x3 where the paper has 5x5. What the row was trained with is not
stated; this is GoogLeNet's recipe.

    inception-jax train --config=experiments/googlenet/batch_norm.py --workdir=runs/googlenet_batch_norm
"""

from experiments.arguments import experiment
from experiments.googlenet import baseline
from experiments.sources import OURS, SLIM, cite

ROWS = {"": ("R5",)}


@experiment
def get_config():
    """The baseline with slim's network."""
    config = baseline.get_config()
    cite(config, SLIM("inception_v1.py"), model={"variant": "slim", "dropout": 0.2})
    cite(config, OURS("the images of one worker"), model={"bn_group_size": 32})
    return config
