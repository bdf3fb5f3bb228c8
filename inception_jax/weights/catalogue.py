"""Every public network whose weights can be read: its name table, its files, and what is published about it.

Accuracies are the sources' own, of one crop of the 50,000 validation images; licences are those of the sources'
code, as their packages and repositories state them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inception_jax.weights import caffe, facenet, keras, slim, timm, torchvision
from inception_jax.weights import preprocessing as pre
from inception_jax.weights.mapping import Source
from inception_jax.weights.preprocessing import Preprocessing

TORCH_FILES = ("pytorch", "safetensors")
SLIM_FILES = ("tensor_slices", "tensor_bundle")

APACHE = "code under Apache-2.0; the weights come without a licence of their own"
BSD = "code under BSD; the weights come without a licence of their own"
MIT = "code under MIT; the weights come without a licence of their own"


@dataclass(frozen=True)
class Published:
    """A network as one public code base has it.

    Attributes:
      source: the table of its tensors' names.
      formats: names of the readers of its files.
      preprocessing: of its images.
      options: of our network, on top of the variant's.
      imagenet: whether its 1000 classes, or 1001 with a background first, are ImageNet's.
      licence: a note on the terms.
      accuracy: top-1 and top-5 as published, in per cent; none if the file does not tell which weights it has.
      by_name: recognised only when asked for by name: its tensors are called as another entry's.
    """

    source: Source
    formats: tuple[str, ...]
    preprocessing: Preprocessing
    options: Mapping[str, Any] = field(default_factory=dict)
    imagenet: bool = True
    licence: str = ""
    accuracy: tuple[float, float] | None = None
    by_name: bool = False


def _slim(source: Source, top1: float, top5: float, preprocessing: Preprocessing = pre.SLIM) -> Published:
    return Published(source, SLIM_FILES, preprocessing, licence=APACHE, accuracy=(top1, top5))


def _timm(source: Source, top1: float, top5: float, preprocessing: Preprocessing = pre.TIMM) -> Published:
    return Published(source, TORCH_FILES, preprocessing, licence=APACHE, accuracy=(top1, top5), by_name=True)


CATALOGUE: dict[str, Published] = {
    "torchvision/googlenet": Published(
        torchvision.GOOGLENET, TORCH_FILES, pre.TORCHVISION_GOOGLENET, licence=BSD, accuracy=(69.778, 89.53)
    ),
    "torchvision/inception_v3": Published(
        torchvision.INCEPTION_V3, TORCH_FILES, pre.TORCHVISION_V3, licence=BSD, accuracy=(77.294, 93.45)
    ),
    "timm/inception_v3": Published(timm.INCEPTION_V3, TORCH_FILES, pre.TIMM, licence=APACHE),
    "timm/inception_v3.tv_in1k": _timm(timm.INCEPTION_V3, 77.472, 93.468),
    "timm/inception_v3.tf_in1k": _timm(timm.INCEPTION_V3, 77.866, 93.644),
    "timm/inception_v3.tf_adv_in1k": _timm(timm.INCEPTION_V3, 77.598, 93.726),
    "timm/inception_v3.gluon_in1k": _timm(timm.INCEPTION_V3, 78.806, 94.372, pre.TIMM_GLUON),
    "timm/inception_v4": Published(timm.INCEPTION_V4, TORCH_FILES, pre.TIMM, licence=APACHE, accuracy=(80.144, 94.982)),
    "timm/inception_resnet_v2": Published(timm.INCEPTION_RESNET_V2, TORCH_FILES, pre.TIMM_RESNET, licence=APACHE),
    "timm/inception_resnet_v2.tf_in1k": _timm(timm.INCEPTION_RESNET_V2, 80.434, 95.312, pre.TIMM_RESNET),
    "timm/inception_resnet_v2.tf_ens_adv_in1k": _timm(timm.INCEPTION_RESNET_V2, 79.998, 94.94, pre.TIMM_RESNET),
    "keras/inception_v3": Published(keras.INCEPTION_V3, ("hdf5",), pre.KERAS, licence=APACHE, accuracy=(77.898, 93.72)),
    "keras/inception_resnet_v2": Published(
        keras.INCEPTION_RESNET_V2, ("hdf5",), pre.KERAS, licence=APACHE, accuracy=(80.256, 95.252)
    ),
    "slim/inception_v1": _slim(slim.INCEPTION_V1, 69.8, 89.6, pre.SLIM_224),
    "slim/inception_v2": _slim(slim.INCEPTION_V2, 73.9, 91.8, pre.SLIM_224),
    "slim/inception_v3": _slim(slim.INCEPTION_V3, 78.0, 93.9),
    "slim/inception_v4": _slim(slim.INCEPTION_V4, 80.2, 95.2),
    "slim/inception_resnet_v2": _slim(slim.INCEPTION_RESNET_V2, 80.4, 95.3),
    "caffe/googlenet": Published(
        caffe.GOOGLENET, ("caffe",), pre.CAFFE, licence="released for unrestricted use", accuracy=(68.7, 88.9)
    ),
    # the same layers as BVLC's; the zoo has two sets of weights for them
    "onnx/googlenet": Published(caffe.GOOGLENET_ONNX, ("onnx",), pre.CAFFE, licence=MIT),
    "onnx/inception_v2": Published(
        caffe.BN_INCEPTION_ONNX,
        ("onnx",),
        pre.CAFFE,
        options={"projection_4c_4d": 96, "conv_bias": False},
        licence=MIT,
    ),
    "facenet-pytorch/inception_resnet_v1": Published(
        facenet.INCEPTION_RESNET_V1, TORCH_FILES, pre.FACENET, options={"bn_scale": True}, imagenet=False, licence=MIT
    ),
}
