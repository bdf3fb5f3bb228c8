"""The loaders that `benchmarks/input.py` compares."""

from __future__ import annotations

from typing import NamedTuple


class Loader(NamedTuple):
    """Who takes part.

    Attributes:
      module: that its process runs.
      environment: whose packages it needs.
      name: what the module calls it.
      what: what it is, for the page.
      beside: the loader of the project that draws the same crops.
    """

    module: str
    environment: str
    name: str
    what: str
    beside: str = "ours"


LOADERS = {
    "ours": Loader("loaders", "project", "threads", "`train_iterator` on a class folder, its decoding on threads"),
    "ours, processes": Loader("loaders", "project", "processes", "the same work in Grain's worker processes"),
    "torchvision": Loader(
        *("torch_loaders", "torch", "torchvision"),
        "Pillow, `ImageFolder`, `RandomResizedCrop` and `DataLoader` with worker processes",
    ),
    "timm": Loader("torch_loaders", "torch", "timm", "Pillow, `create_loader` without colour jitter"),
    "ours, as big_vision": Loader(
        *("loaders", "project", "as big_vision"),
        "`train_iterator` with TensorFlow's random crop (`data.crop=slim`), bilinear",
        "ours, as big_vision",
    ),
    "tf.data, big_vision": Loader(
        *("tensorflow_loader", "tensorflow", "big_vision"),
        "`decode_and_crop_jpeg`, bilinear resize, mirror and values from -1 to 1, as in google-research/big_vision, "
        "big_vision/configs/bit_i1k.py and big_vision/pp/ops_image.py",
        "ours, as big_vision",
    ),
    "ours, as flax": Loader(*("loaders", "project", "as flax"), "the same crop, bicubic", "ours, as flax"),
    "tf.data, flax": Loader(
        *("tensorflow_loader", "tensorflow", "flax"),
        "`decode_and_crop_jpeg`, bicubic resize, mirror and standardised values, as in google/flax, "
        "examples/imagenet/input_pipeline.py",
        "ours, as flax",
    ),
    "tf.data, bytes": Loader(
        *("tensorflow_loader", "tensorflow", "bytes"),
        "`decode_and_crop_jpeg` and bilinear resize to bytes: big_vision's pipeline if it left mirroring and scaling "
        "to the device, as this project does",
        "ours, as big_vision",
    ),
    "bare decode": Loader(
        *("loaders", "project", "limit"),
        "libjpeg-turbo decodes the whole image, and nothing more: the limit of a loader that decodes all rows",
    ),
}
