"""Names of facenet's Inception-ResNet-v1, whose embedding has the classifier of its training set behind it.

facenet itself (davidsandberg) writes TensorFlow checkpoints and frozen graphs, without gammas; facenet-pytorch has
those weights as PyTorch modules, with gammas of 1.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from inception_jax.weights.mapping import Layers
from inception_jax.weights.pytorch import CONV_NORM, torch_source
from inception_jax.weights.slim import scopes_source

# the linear layer before the embedding and its batch norm, two modules there
BOTTLENECK = {
    what: name.replace("conv.", "last_linear.").replace("bn.", "last_bn.") for what, name in CONV_NORM.items()
}

_MODULES = torch_source(
    "inception_resnet_v1",
    "facenet",
    {
        "conv2d_{1a,2a,2b,3b,4a,4b}": "conv2d_{1a,2a,2b,3b,4a,4b}",
        "repeat_1.{0..4}.branch0": "block35_{1..5}/branch0_conv0_1x1",
        "repeat_1.{0..4}.branch1.0": "block35_{1..5}/branch1_conv0_1x1",
        "repeat_1.{0..4}.branch1.1": "block35_{1..5}/branch1_conv1_3x3",
        "repeat_1.{0..4}.branch2.0": "block35_{1..5}/branch2_conv0_1x1",
        "repeat_1.{0..4}.branch2.1": "block35_{1..5}/branch2_conv1_3x3",
        "repeat_1.{0..4}.branch2.2": "block35_{1..5}/branch2_conv2_3x3",
        "repeat_1.{0..4}.conv2d": "block35_{1..5}/up",
        "mixed_6a.branch0": "mixed_6a/branch0_conv0_3x3",
        "mixed_6a.branch1.{0,1,2}": "mixed_6a/branch1_{conv0_1x1,conv1_3x3,conv2_3x3}",
        "repeat_2.{0..9}.branch0": "block17_{1..10}/branch0_conv0_1x1",
        "repeat_2.{0..9}.branch1.0": "block17_{1..10}/branch1_conv0_1x1",
        "repeat_2.{0..9}.branch1.1": "block17_{1..10}/branch1_conv1_1x7",
        "repeat_2.{0..9}.branch1.2": "block17_{1..10}/branch1_conv2_7x1",
        "repeat_2.{0..9}.conv2d": "block17_{1..10}/up",
        "mixed_7a.branch0.{0,1}": "mixed_7a/branch0_{conv0_1x1,conv1_3x3}",
        "mixed_7a.branch1.{0,1}": "mixed_7a/branch1_{conv0_1x1,conv1_3x3}",
        "mixed_7a.branch2.{0,1,2}": "mixed_7a/branch2_{conv0_1x1,conv1_3x3,conv2_3x3}",
        "repeat_3.{0..4}.branch0": "block8_{1..5}/branch0_conv0_1x1",
        "repeat_3.{0..4}.branch1.0": "block8_{1..5}/branch1_conv0_1x1",
        "repeat_3.{0..4}.branch1.1": "block8_{1..5}/branch1_conv1_1x3",
        "repeat_3.{0..4}.branch1.2": "block8_{1..5}/branch1_conv2_3x1",
        "repeat_3.{0..4}.conv2d": "block8_{1..5}/up",
        "block8.branch0": "block8_6/branch0_conv0_1x1",
        "block8.branch1.{0,1,2}": "block8_6/branch1_{conv0_1x1,conv1_1x3,conv2_3x1}",
        "block8.conv2d": "block8_6/up",
        "logits": "logits",
    },
)


def _table(names: Collection[str], layers: Layers) -> dict[str, str]:
    bottleneck = {BOTTLENECK[what]: path for what, path in layers.get("bottleneck", {}).items()}
    return {**_MODULES.table(names, layers), **bottleneck}


INCEPTION_RESNET_V1 = replace(_MODULES, table=_table)

INCEPTION_RESNET_V1_TENSORFLOW = scopes_source(
    "inception_resnet_v1",
    "facenet",
    {
        "InceptionResnetV1/Conv2d_{1a_3x3,2a_3x3,2b_3x3,3b_1x1,4a_3x3,4b_3x3}": "conv2d_{1a,2a,2b,3b,4a,4b}",
        "InceptionResnetV1/Repeat/block35_{1..5}/Branch_0/Conv2d_1x1": "block35_{1..5}/branch0_conv0_1x1",
        "InceptionResnetV1/Repeat/block35_{1..5}/Branch_1/Conv2d_0a_1x1": "block35_{1..5}/branch1_conv0_1x1",
        "InceptionResnetV1/Repeat/block35_{1..5}/Branch_1/Conv2d_0b_3x3": "block35_{1..5}/branch1_conv1_3x3",
        "InceptionResnetV1/Repeat/block35_{1..5}/Branch_2/Conv2d_0a_1x1": "block35_{1..5}/branch2_conv0_1x1",
        "InceptionResnetV1/Repeat/block35_{1..5}/Branch_2/Conv2d_0b_3x3": "block35_{1..5}/branch2_conv1_3x3",
        "InceptionResnetV1/Repeat/block35_{1..5}/Branch_2/Conv2d_0c_3x3": "block35_{1..5}/branch2_conv2_3x3",
        "InceptionResnetV1/Repeat/block35_{1..5}/Conv2d_1x1": "block35_{1..5}/up",
        "InceptionResnetV1/Mixed_6a/Branch_0/Conv2d_1a_3x3": "mixed_6a/branch0_conv0_3x3",
        "InceptionResnetV1/Mixed_6a/Branch_1/Conv2d_{0a_1x1,0b_3x3,1a_3x3}": (
            "mixed_6a/branch1_{conv0_1x1,conv1_3x3,conv2_3x3}"
        ),
        "InceptionResnetV1/Repeat_1/block17_{1..10}/Branch_0/Conv2d_1x1": "block17_{1..10}/branch0_conv0_1x1",
        "InceptionResnetV1/Repeat_1/block17_{1..10}/Branch_1/Conv2d_0a_1x1": "block17_{1..10}/branch1_conv0_1x1",
        "InceptionResnetV1/Repeat_1/block17_{1..10}/Branch_1/Conv2d_0b_1x7": "block17_{1..10}/branch1_conv1_1x7",
        "InceptionResnetV1/Repeat_1/block17_{1..10}/Branch_1/Conv2d_0c_7x1": "block17_{1..10}/branch1_conv2_7x1",
        "InceptionResnetV1/Repeat_1/block17_{1..10}/Conv2d_1x1": "block17_{1..10}/up",
        "InceptionResnetV1/Mixed_7a/Branch_0/Conv2d_{0a_1x1,1a_3x3}": "mixed_7a/branch0_{conv0_1x1,conv1_3x3}",
        "InceptionResnetV1/Mixed_7a/Branch_1/Conv2d_{0a_1x1,1a_3x3}": "mixed_7a/branch1_{conv0_1x1,conv1_3x3}",
        "InceptionResnetV1/Mixed_7a/Branch_2/Conv2d_{0a_1x1,0b_3x3,1a_3x3}": (
            "mixed_7a/branch2_{conv0_1x1,conv1_3x3,conv2_3x3}"
        ),
        "InceptionResnetV1/Repeat_2/block8_{1..5}/Branch_0/Conv2d_1x1": "block8_{1..5}/branch0_conv0_1x1",
        "InceptionResnetV1/Repeat_2/block8_{1..5}/Branch_1/Conv2d_0a_1x1": "block8_{1..5}/branch1_conv0_1x1",
        "InceptionResnetV1/Repeat_2/block8_{1..5}/Branch_1/Conv2d_0b_1x3": "block8_{1..5}/branch1_conv1_1x3",
        "InceptionResnetV1/Repeat_2/block8_{1..5}/Branch_1/Conv2d_0c_3x1": "block8_{1..5}/branch1_conv2_3x1",
        "InceptionResnetV1/Repeat_2/block8_{1..5}/Conv2d_1x1": "block8_{1..5}/up",
        "InceptionResnetV1/Block8/Branch_0/Conv2d_1x1": "block8_6/branch0_conv0_1x1",
        "InceptionResnetV1/Block8/Branch_1/Conv2d_{0a_1x1,0b_1x3,0c_3x1}": (
            "block8_6/branch1_{conv0_1x1,conv1_1x3,conv2_3x1}"
        ),
        "InceptionResnetV1/Block8/Conv2d_1x1": "block8_6/up",
        "InceptionResnetV1/Bottleneck": "bottleneck",
        "Logits": "logits",
    },
)
