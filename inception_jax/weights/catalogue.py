"""Every public network whose weights can be read: its name table, its files, and what is published about it.

Accuracies are the sources' own, of one crop of the 50,000 validation images; licences are those of the sources'
code, as their packages and repositories state them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inception_jax.weights import cadene, caffe, facenet, keras, slim, timm, torchvision
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
      files: names of the public files, in their project's own words; none for an entry that stands for any other file
        with these tensors.
    """

    source: Source
    formats: tuple[str, ...]
    preprocessing: Preprocessing
    options: Mapping[str, Any] = field(default_factory=dict)
    imagenet: bool = True
    licence: str = ""
    accuracy: tuple[float, float] | None = None
    by_name: bool = False
    files: tuple[str, ...] = ()


PROJECTS = {
    "torchvision": "torchvision, `torchvision.models`; its first use there downloads the file",
    "timm": "timm, repositories of that name on the Hugging Face Hub",
    "keras": "Keras, `keras.applications`; its first use there downloads the file",
    "slim": "TF-slim model zoo, research/slim of the TensorFlow models; unpack the archive, name the .ckpt inside",
    "caffe": "BVLC Caffe, models/bvlc_googlenet",
    "onnx": "ONNX model zoo, validated/vision/classification/inception_and_googlenet",
    "cadene": "pretrained-models.pytorch (Cadene); its first use there downloads the file",
    "facenet": "facenet (David Sandberg), its README; unpack the archive, name the .ckpt or the .pb inside",
    "facenet-pytorch": "facenet-pytorch, its releases on GitHub",
}
"""The first part of an entry's name -> the project whose files it is for, and where they are."""


def _slim(source: Source, file: str, top1: float, top5: float, preprocessing: Preprocessing = pre.SLIM) -> Published:
    return Published(source, SLIM_FILES, preprocessing, licence=APACHE, accuracy=(top1, top5), files=(file,))


def _timm(name: str, source: Source, top1: float, top5: float, preprocessing: Preprocessing = pre.TIMM) -> Published:
    file = f"timm/{name}: model.safetensors"
    accuracy = top1, top5
    return Published(source, TORCH_FILES, preprocessing, licence=APACHE, accuracy=accuracy, by_name=True, files=(file,))


CATALOGUE: dict[str, Published] = {
    "torchvision/googlenet": Published(
        torchvision.GOOGLENET,
        TORCH_FILES,
        pre.TORCHVISION_GOOGLENET,
        licence=BSD,
        accuracy=(69.778, 89.53),
        files=("googlenet-1378be20.pth",),
    ),
    "torchvision/inception_v3": Published(
        torchvision.INCEPTION_V3,
        TORCH_FILES,
        pre.TORCHVISION_V3,
        licence=BSD,
        accuracy=(77.294, 93.45),
        files=("inception_v3_google-0cc3c7bd.pth",),
    ),
    "timm/inception_v3": Published(timm.INCEPTION_V3, TORCH_FILES, pre.TIMM, licence=APACHE),
    "timm/inception_v3.tv_in1k": _timm("inception_v3.tv_in1k", timm.INCEPTION_V3, 77.472, 93.468),
    "timm/inception_v3.tf_in1k": _timm("inception_v3.tf_in1k", timm.INCEPTION_V3, 77.866, 93.644),
    "timm/inception_v3.tf_adv_in1k": _timm("inception_v3.tf_adv_in1k", timm.INCEPTION_V3, 77.598, 93.726),
    "timm/inception_v3.gluon_in1k": _timm("inception_v3.gluon_in1k", timm.INCEPTION_V3, 78.806, 94.372, pre.TIMM_GLUON),
    "timm/inception_v4": Published(
        timm.INCEPTION_V4,
        TORCH_FILES,
        pre.TIMM,
        licence=APACHE,
        accuracy=(80.144, 94.982),
        files=("timm/inception_v4.tf_in1k: model.safetensors",),
    ),
    "timm/inception_resnet_v2": Published(timm.INCEPTION_RESNET_V2, TORCH_FILES, pre.TIMM_RESNET, licence=APACHE),
    "timm/inception_resnet_v2.tf_in1k": _timm(
        "inception_resnet_v2.tf_in1k", timm.INCEPTION_RESNET_V2, 80.434, 95.312, pre.TIMM_RESNET
    ),
    "timm/inception_resnet_v2.tf_ens_adv_in1k": _timm(
        "inception_resnet_v2.tf_ens_adv_in1k", timm.INCEPTION_RESNET_V2, 79.998, 94.94, pre.TIMM_RESNET
    ),
    "keras/inception_v3": Published(
        keras.INCEPTION_V3,
        ("hdf5",),
        pre.KERAS,
        licence=APACHE,
        accuracy=(77.898, 93.72),
        files=(
            "inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
            "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
    ),
    "keras/inception_resnet_v2": Published(
        keras.INCEPTION_RESNET_V2,
        ("hdf5",),
        pre.KERAS,
        licence=APACHE,
        accuracy=(80.256, 95.252),
        files=(
            "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5",
            "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
    ),
    "slim/inception_v1": _slim(slim.INCEPTION_V1, "inception_v1_2016_08_28.tar.gz", 69.8, 89.6, pre.SLIM_224),
    "slim/inception_v2": _slim(slim.INCEPTION_V2, "inception_v2_2016_08_28.tar.gz", 73.9, 91.8, pre.SLIM_224),
    "slim/inception_v3": _slim(slim.INCEPTION_V3, "inception_v3_2016_08_28.tar.gz", 78.0, 93.9),
    "slim/inception_v4": _slim(slim.INCEPTION_V4, "inception_v4_2016_09_09.tar.gz", 80.2, 95.2),
    "slim/inception_resnet_v2": _slim(slim.INCEPTION_RESNET_V2, "inception_resnet_v2_2016_08_30.tar.gz", 80.4, 95.3),
    "caffe/googlenet": Published(
        caffe.GOOGLENET,
        ("caffe",),
        pre.CAFFE,
        licence="released for unrestricted use",
        accuracy=(68.7, 88.9),
        files=("bvlc_googlenet.caffemodel",),
    ),
    # the same layers as BVLC's; the zoo has two sets of weights for them
    "onnx/googlenet": Published(
        caffe.GOOGLENET_ONNX, ("onnx",), pre.CAFFE, licence=MIT, files=("googlenet-12.onnx", "inception-v1-12.onnx")
    ),
    "onnx/inception_v2": Published(
        caffe.BN_INCEPTION_ONNX,
        ("onnx",),
        pre.CAFFE,
        options={"projection_4c_4d": 96, "conv_bias": False},
        licence=MIT,
        files=("inception-v2-9.onnx",),
    ),
    "cadene/bninception": Published(
        cadene.BN_INCEPTION,
        TORCH_FILES,
        pre.CADENE,
        licence=BSD,
        accuracy=(73.524, 91.562),
        files=("bn_inception-52deb4733.pth",),
    ),
    "facenet/inception_resnet_v1": Published(
        facenet.INCEPTION_RESNET_V1_TENSORFLOW,
        (*SLIM_FILES, "graph_def"),
        pre.FACENET,
        imagenet=False,
        licence=MIT,
        files=("20180402-114759.zip", "20180408-102900.zip"),
    ),
    "facenet-pytorch/inception_resnet_v1": Published(
        facenet.INCEPTION_RESNET_V1,
        TORCH_FILES,
        pre.FACENET,
        options={"bn_scale": True},
        imagenet=False,
        licence=MIT,
        files=("20180402-114759-vggface2.pt", "20180408-102900-casia-webface.pt"),
    ),
}
