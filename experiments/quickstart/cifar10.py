"""A narrow GoogLeNet with batch norm on CIFAR-10: 50,000 colour 32x32 images, 10 classes.

The network and recipe of `fashion_mnist.py`, on maps of 16, 8 and 4 pixels, with crops shifted by up to 4
pixels. Its accuracy has not been measured yet. The data set must have been prepared as ArrayRecord:
`tfds build cifar10 --file_format=array_record`; or name another copy of it with
`--config.data.source=tfds:NAME`.

    inception-jax train --config=experiments/quickstart/cifar10.py --workdir=runs/cifar10
"""

from experiments.quickstart import fashion_mnist


def get_config():
    """The small run on colour images."""
    config = fashion_mnist.get_config()
    config.data.update(source="tfds:cifar10", image_size=32, shift=0.125)
    return config
