"""GoogLeNet by BVLC's full solver: step schedule, ten million updates of 32 images, some 250 epochs.

Against the paper's recipe: Caffe's form of the network (Xavier weights, biases of 0.2), its momentum with the rate
inside, twice the rate and no decay on biases, and plain crops of 224 from images stored at 256x256, mirrored. Caffe's
readme prints no result of this solver; that of the quick one is in `caffe_quick.py`. A random shift of up to 1/8 of
an image of 224 pixels stands for the crop of 224 from 256.

    inception-jax train --config=experiments/googlenet/caffe.py --workdir=runs/googlenet_caffe
"""

from experiments.arguments import experiment
from experiments.googlenet import baseline
from experiments.sources import CAFFE, OURS, cite

ROWS = {"": ()}


@experiment
def get_config():
    """Caffe's recipe."""
    config = baseline.get_config()
    cite(config, CAFFE("train_val.prototxt"), model={"variant": "caffe"}, optimizer={"multipliers": "bias$=2"})
    cite(config, CAFFE("train_val.prototxt"), data={"photometric": "none", "interpolation": "bilinear"})
    cite(config, OURS("for a crop of 224 from 256"), data={"crop": "shift", "shift": 1 / 14})
    cite(config, CAFFE("solver"), steps=10_000_000, optimizer={"name": "caffe"}, schedule={"decay_steps": 320_000})
    cite(config, CAFFE("solver, which has none"), average={"decay": 0.0})
    return config
