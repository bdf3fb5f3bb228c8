"""A narrow GoogLeNet with batch norm on CIFAR-10: 50,000 colour 32x32 images, 10 classes.

The network of `fashion_mnist.py`, half as wide again: maps of 16, 8 and 4 pixels. The recipe is ours.

Expected: at least 78 % test top-1, in under 30 minutes on two CPU cores. The data set must have been
prepared as ArrayRecord: `tfds build cifar10 --file_format=array_record`; or name another copy of it with
`--config.data.source=tfds:NAME`.

    inception-jax train --config=experiments/quickstart/cifar10.py --workdir=runs/cifar10
"""

from experiments.quickstart import fashion_mnist


def get_config():
    """The small run on colour images."""
    config = fashion_mnist.get_config()
    config.model.width = 0.375
    config.data.update(source="tfds:cifar10", image_size=32, shift=0.125)
    config.epochs = 12.0
    return config
