"""GoogLeNet by BVLC's quick solver: 31.3 / 11.1 % top-1 / top-5 error, centre crop (its readme).

The rate falls with the square root of the training that is left, over 2.4 million updates of 32 images (60 epochs).

    inception-jax train --config=experiments/googlenet/caffe_quick.py --workdir=runs/googlenet_caffe_quick
"""

from experiments.arguments import experiment
from experiments.googlenet import caffe
from experiments.sources import CAFFE, cite

ROWS = {"": ("C1",)}


@experiment
def get_config():
    """The full solver with the quick one's schedule."""
    config = caffe.get_config()
    cite(config, CAFFE("quick_solver"), steps=2_400_000, schedule={"name": "poly", "power": 0.5})
    return config
