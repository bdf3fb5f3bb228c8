"""What TF-slim's and facenet's networks compute from seeded weights, kept in tests/goldens/parity.

python -m tests.goldens.make_slim            writes the files
python -m tests.goldens.make_slim --check    computes again and compares with them

It runs in an environment of its own with tensorflow, tf-keras and tf-slim. The networks' definitions are those that
tf-object-detection-api ships (`nets`) and those of facenet 1.0.5. `make goldens-check` makes that environment; the
tests of the project need the files alone.
"""
# pyright: reportMissingImports=false

import argparse
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TF-slim's batch norm is that of Keras 2

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim
from nets import inception, inception_utils
from tensorflow.python.framework import ops  # pyright: ignore[reportAttributeAccessIssue]
from tf_keras.src import legacy_tf_layers
from tf_keras.src.legacy_tf_layers import convolutional, core, normalization, pooling

from tests import seeded
from tests.goldens.compare import check_or_write

# where TF-slim looks for them
ops.Tensor = tf.Tensor
sys.modules["tf_keras.legacy_tf_layers"] = legacy_tf_layers
for part in (convolutional, core, normalization, pooling):
    sys.modules[part.__name__.replace(".src.", ".")] = part

FOLDER = Path(__file__).parent / "parity"
Build = Callable[[Any], tuple[Any, Mapping[str, Any]]]
"""Images to logits and endpoints by name."""


def slim_network(network: Callable[..., Any], **options: Any) -> Build:
    """As it is evaluated with the published weights, of 1001 classes."""

    def build(images: Any) -> tuple[Any, Mapping[str, Any]]:
        with tf_slim.arg_scope(inception_utils.inception_arg_scope()):
            return network(images, num_classes=1001, is_training=False, **options)

    return build


def facenet(images: Any) -> tuple[Any, Mapping[str, Any]]:
    """davidsandberg's Inception-ResNet-v1 with the classifier of its training, here of 11 people."""
    # written for TensorFlow 1, which had slim inside
    contrib, before = types.ModuleType("tensorflow.contrib"), dict(sys.modules)
    sys.modules |= {"tensorflow": tf, "tensorflow.contrib": contrib, "tensorflow.contrib.slim": tf_slim}
    tf.contrib = contrib
    contrib.slim = tf_slim  # type: ignore[attr-defined]
    try:
        import facenet as library  # holds no code of its own

        assert library.__file__
        path = Path(library.__file__).parent / "src/models/inception_resnet_v1.py"
        spec = importlib.util.spec_from_file_location("inception_resnet_v1", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.modules["tensorflow"] = before["tensorflow"]
    embedding, endpoints = module.inference(images, 1.0, phase_train=False, bottleneck_layer_size=512)
    logits = tf_slim.fully_connected(embedding, 11, activation_fn=None, scope="Logits")  # as its train_softmax.py
    return logits, endpoints | {"embedding": tf.nn.l2_normalize(embedding, 1, 1e-10)}


@dataclass(frozen=True)
class Peer:
    """A network, the size of its image, and its endpoints under our names; its auxiliary logits are a head."""

    build: Build
    size: int
    endpoints: Mapping[str, str]
    heads: Mapping[str, str] = field(default_factory=dict)


AUX = {"aux": "AuxLogits"}
PEERS = {
    "slim_inception_v1": Peer(
        slim_network(inception.inception_v1),
        224,
        {"inception_3b": "Mixed_3c", "inception_4e": "Mixed_4f", "inception_5b": "Mixed_5c"},
    ),
    "slim_inception_v2": Peer(
        slim_network(inception.inception_v2),
        224,
        {"conv1": "Conv2d_1a_7x7", "inception_3c": "Mixed_4a", "inception_5b": "Mixed_5c"},
    ),
    "slim_inception_v3": Peer(
        slim_network(inception.inception_v3),
        299,
        {"mixed_5b": "Mixed_5b", "mixed_6e": "Mixed_6e", "mixed_7c": "Mixed_7c"},
        AUX,
    ),
    "slim_inception_v4": Peer(
        slim_network(inception.inception_v4),
        299,
        {"mixed_5a": "Mixed_5a", "mixed_6h": "Mixed_6h", "mixed_7d": "Mixed_7d"},
        AUX,
    ),
    "slim_inception_resnet_v2": Peer(
        slim_network(inception.inception_resnet_v2),
        299,
        {"mixed_5b": "Mixed_5b", "block17_20": "PreAuxLogits", "conv2d_7b": "Conv2d_7b_1x1"},
        AUX,
    ),
    "facenet_inception_resnet_v1": Peer(
        facenet, 160, {"conv2d_4b": "Conv2d_4b_3x3", "mixed_6a": "Mixed_6a", "mixed_7a": "Mixed_7a"}
    ),
}


def compute(peer: Peer) -> dict[str, np.ndarray]:
    """As `make_parity.compute`: `tensors`, `images`, `logits`, `head/NAME`, `mean/ENDPOINT`, facenet's `embedding`."""
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(seeded.images(1, peer.size))
        logits, endpoints = peer.build(images)
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        shapes = {name: tuple(variable.shape.as_list()) for name, variable in variables.items()}
        for name, value in seeded.tensors(shapes).items():
            variables[name].load(value, session)
        wanted = {"logits": logits}
        wanted |= {f"head/{name}": endpoints[theirs] for name, theirs in peer.heads.items()}
        if "embedding" in endpoints:
            wanted["embedding"] = endpoints["embedding"]
        wanted |= {f"mean/{name}": tf.reduce_mean(endpoints[theirs], (1, 2)) for name, theirs in peer.endpoints.items()}
        found = session.run(wanted)
    return {"tensors": seeded.listing(shapes), "images": np.array([1, peer.size]), **found}


def main() -> int:
    """Writes or checks every golden; 1 if one differs."""
    parser = argparse.ArgumentParser(description="Golden outputs of the TensorFlow peers on seeded weights.")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    check = parser.parse_args().check
    tf.disable_eager_execution()

    def goldens() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        yield from ((name, compute(peer)) for name, peer in PEERS.items())

    return check_or_write(FOLDER, goldens(), check=check)


if __name__ == "__main__":
    sys.exit(main())
