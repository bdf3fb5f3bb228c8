"""A narrow GoogLeNet with batch norm on CIFAR-10: 50,000 colour 32x32 images, 10 classes.

The network of `fashion_mnist.py`, with slim's own initial weights, on maps of 16, 8 and 4 pixels. Crops are
shifted by up to 2 pixels, and labels smoothed by 0.1.

Measured: 78.7 % test top-1 (one seed), in 26 minutes on two CPU cores, on a copy of the data set re-encoded
as JPEG. The data set must have been prepared as ArrayRecord: `tfds build cifar10 --file_format=array_record`; or
name another copy of it with `--config.data.source=tfds:NAME`.

    inception-jax train --config=experiments/quickstart/cifar10.py --workdir=runs/cifar10
"""

from experiments.arguments import experiment
from experiments.quickstart import fashion_mnist


@experiment
def get_config():
    """The small run on colour images."""
    config = fashion_mnist.get_config()
    config.model.options = {"stem_pools": 0}
    config.data.update(source="tfds:cifar10", image_size=32, crop="shift", shift=0.0625)
    config.epochs = 8.0
    config.loss.label_smoothing = 0.1
    return config
