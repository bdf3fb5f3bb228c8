"""What the PyTorch peers compute from seeded weights, kept in tests/goldens/parity.

python -m tests.goldens.make_parity            writes the files
python -m tests.goldens.make_parity --check    computes again and compares with them

It runs in an environment of its own with torch, torchvision, timm, facenet-pytorch and pretrainedmodels, which `make
goldens-check` makes; the tests of the project need the files alone.
"""
# pyright: reportMissingImports=false

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import facenet_pytorch
import numpy as np
import pretrainedmodels
import timm
import torch
import torchvision

from tests import seeded
from tests.goldens.compare import check_or_write

FOLDER = Path(__file__).parent / "parity"


@dataclass(frozen=True)
class Peer:
    """A network, the size of its image, its modules that make our endpoints, and what its auxiliary heads read.

    `embedding` is a module whose output, normalised, is one; `bgr` networks read blue, green, red.
    """

    build: Callable[[], torch.nn.Module]
    size: int
    endpoints: Mapping[str, str]
    heads: Mapping[str, str] = field(default_factory=dict)
    embedding: str = ""
    bgr: bool = False


# transform_input would normalise the images a second time
CHOICES = {"weights": None, "init_weights": False, "aux_logits": True, "transform_input": False}
# Sizes at which some strided windows end at the border and others beyond it: of the poolings that agree on 224 or 299
# pixels, only the peer's own gives its answer.
PEERS = {
    "torchvision_googlenet": Peer(
        lambda: torchvision.models.googlenet(**CHOICES),
        242,
        {
            "pool2": "maxpool2",
            "inception_4a": "inception4a",
            "inception_4d": "inception4d",
            "inception_5b": "inception5b",
        },
        {"aux1": "inception4a", "aux2": "inception4d"},
    ),
    "torchvision_inception_v3": Peer(
        lambda: torchvision.models.inception_v3(**CHOICES),
        299,
        {"mixed_5b": "Mixed_5b", "mixed_6e": "Mixed_6e", "mixed_7c": "Mixed_7c"},
        {"AuxLogits": "Mixed_6e"},
    ),
    "timm_inception_v3": Peer(
        lambda: timm.create_model("inception_v3"),
        150,
        {"mixed_5b": "Mixed_5b", "mixed_6e": "Mixed_6e", "mixed_7c": "Mixed_7c"},
    ),
    "timm_inception_v4": Peer(
        lambda: timm.create_model("inception_v4"),
        139,
        {"mixed_5a": "features.5", "mixed_6h": "features.17", "mixed_7d": "features.21"},
    ),
    "timm_inception_resnet_v2": Peer(
        lambda: timm.create_model("inception_resnet_v2"),
        139,
        {"mixed_5b": "mixed_5b", "block17_20": "repeat_1", "block8_10": "block8"},
    ),
    "facenet-pytorch_inception_resnet_v1": Peer(
        lambda: facenet_pytorch.InceptionResnetV1(classify=True, num_classes=11),
        160,
        {"conv2d_4b": "conv2d_4b", "mixed_6a": "mixed_6a", "block8_6": "block8"},
        embedding="last_bn",
    ),
    "cadene_bninception": Peer(
        lambda: pretrainedmodels.bninception(pretrained=None),
        224,
        {"conv1": "conv1_relu_7x7", "pool2": "pool2_3x3_s2"},
        bgr=True,
    ),
}


def compute(peer: Peer) -> dict[str, np.ndarray]:
    """The golden of `peer`.

    `tensors` is the `seeded.listing` of its state; `images` the batch and the size; `logits` and `head/NAME` are
    [batch, classes]; `mean/ENDPOINT` is [batch, channels], the mean over the map; `embedding` is there if the peer has
    one.
    """
    model = peer.build().eval()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in seeded.tensors(shapes).items()})
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.update({name: output})

    for name in {*peer.endpoints.values(), *peer.heads.values(), *filter(None, [peer.embedding])}:
        model.get_submodule(name).register_forward_hook(keep(name))
    images = seeded.images(1, peer.size)
    if peer.bgr:
        images = images[..., ::-1].copy()
    with torch.inference_mode():
        logits = model(torch.from_numpy(images.transpose(0, 3, 1, 2)))
        golden = {
            "tensors": seeded.listing(shapes),
            "images": np.array([1, peer.size]),
            "logits": logits.numpy(),
        }
        # in evaluation the peers skip their heads, so each is applied to what it would have read
        for name, source in peer.heads.items():
            golden[f"head/{name}"] = model.get_submodule(name)(seen[source]).numpy()
    if peer.embedding:
        golden["embedding"] = torch.nn.functional.normalize(seen[peer.embedding]).numpy()
    for ours, theirs in peer.endpoints.items():
        golden[f"mean/{ours}"] = seen[theirs].mean((2, 3)).numpy()
    return golden


def main() -> int:
    """Writes or checks every golden; 1 if one differs."""
    parser = argparse.ArgumentParser(description="Golden outputs of the PyTorch peers on seeded weights.")
    parser.add_argument("names", nargs="*", help="of the files; default: all")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    arguments = parser.parse_args()
    goldens = ((name, compute(PEERS[name])) for name in arguments.names or PEERS)
    return check_or_write(FOLDER, goldens, check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())
