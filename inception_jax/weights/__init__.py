"""Weights of public code as variables of our networks: one name table for each network of each source."""

from inception_jax.weights import keras, timm, torchvision
from inception_jax.weights.mapping import Source, WeightsMismatch, to_variables

SOURCES: dict[str, Source] = {
    "torchvision/googlenet": torchvision.GOOGLENET,
    "torchvision/inception_v3": torchvision.INCEPTION_V3,
    "timm/inception_v3": timm.INCEPTION_V3,
    "timm/inception_v4": timm.INCEPTION_V4,
    "timm/inception_resnet_v2": timm.INCEPTION_RESNET_V2,
    "keras/inception_v3": keras.INCEPTION_V3,
    "keras/inception_resnet_v2": keras.INCEPTION_RESNET_V2,
}

__all__ = ["SOURCES", "Source", "WeightsMismatch", "to_variables"]
