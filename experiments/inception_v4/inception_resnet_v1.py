"""Inception-ResNet-v1 (arXiv 1602.07261, table 2): 21.3 / 5.5 % top-1 / top-5 error, one crop; it costs what v3 does.

Residuals are scaled by facenet's 0.17, 0.10 and 0.20; the paper says 0.1 to 0.3. With 12 and 144 crops it prints 19.8 /
4.6 and 18.8 / 4.3 %.

    inception-jax train --config=experiments/inception_v4/inception_resnet_v1.py --workdir=runs/inception_resnet_v1
"""

from experiments.arguments import experiment
from experiments.inception_v4 import inception_v3
from experiments.sources import INCEPTION_V4, cite

ROWS = {"": ("V3", "V8", "V13")}


@experiment
def get_config():
    """Inception-ResNet-v1."""
    config = inception_v3.get_config()
    cite(config, INCEPTION_V4("figure 15"), model={"name": "inception_resnet_v1", "variant": "paper", "dropout": 0.2})
    return config
