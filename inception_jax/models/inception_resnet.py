"""Inception-ResNet-v1 and -v2: arXiv 1602.07261, figures 10 to 19.

A block adds to its input what its branches make, brought back to the input's channels by a linear 1x1 with bias,
scaled so that training is stable (section 3.3: 0.1 to 0.3), then a ReLU. There is no batch norm on the sum.

The paper's figures of v2 print 1154 and 2048 channels behind the reductions; their own branches sum to
1152 and 2144, which the paper variant has. Every public weight file of v2 fits the released form. The only common
public code of v1 is facenet's, for faces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from inception_jax.models import inception_v3, inception_v4
from inception_jax.models.auxiliary import inception_v3_head
from inception_jax.models.inception_v4 import reduction_a
from inception_jax.models.layers import INITIALIZERS, BatchNormSpec
from inception_jax.models.network import Architecture, Variant
from inception_jax.models.table import Inception, Operation, Row, avg_pool, conv, inception, max_pool, residual

Branches = tuple[list[Operation], ...]


@dataclass(frozen=True)
class V1Options:
    """Choices that differ between the paper's Inception-ResNet-v1 and facenet's.

    Attributes:
      scale_35: residual scaling of the 35x35 blocks; the paper says 0.1 to 0.3 (section 3.3).
      scale_17: of the 17x17 blocks.
      scale_8: of the 8x8 blocks.
      bn_scale: batch norm has a gamma (facenet-pytorch); facenet's own code has none.
      bn_decay: of the running statistics.
      last_linear: a sixth 8x8 block, of scale 1 and without activation, as in facenet.
      embedding: size of a normalised linear layer before the classifier, facenet's "Bottleneck"; 0: none.
      input_size: pixels of a side that the variant is meant for.
      kernel_init: initial weights of the convolutions.
    """

    scale_35: float = 0.17
    scale_17: float = 0.10
    scale_8: float = 0.20
    bn_scale: bool = False
    bn_decay: float = 0.9997
    last_linear: bool = False
    embedding: int = 0
    input_size: int = 299
    kernel_init: Literal["he", "xavier", "normal_0.01", "normal_0.1"] = "he"


@dataclass(frozen=True)
class V2Options:
    """Choices that differ between the paper's Inception-ResNet-v2 and the released one.

    Attributes:
      released: stem of Inception-v3 and Mixed_5b, 10 / 20 / 10 blocks of which the last is linear and
        unscaled, and a last convolution to 1536; else the paper's stem of Inception-v4 and 5 / 10 / 5 blocks.
      scale_35: residual scaling of the 35x35 blocks; the paper says 0.1 to 0.3 (section 3.3).
      scale_17: of the 17x17 blocks.
      scale_8: of the 8x8 blocks.
      bn_scale: batch norm has a gamma (timm); slim and Keras have none.
      bn_decay: of the running statistics.
      heads: slim's auxiliary classifier on the last 17x17 block; the paper's figures show none.
      kernel_init: initial weights of the convolutions.
    """

    released: bool = True
    scale_35: float = 0.17
    scale_17: float = 0.10
    scale_8: float = 0.20
    bn_scale: bool = False
    bn_decay: float = 0.9997
    heads: bool = True
    kernel_init: Literal["he", "xavier", "normal_0.01", "normal_0.1"] = "he"


V1_VARIANTS = {
    "paper": Variant(
        V1Options(),
        "5, 10 and 5 blocks (figure 15). The paper states residual scaling as 0.1 to 0.3; facenet's constants are the "
        "default here.",
    ),
    "facenet": Variant(
        V1Options(last_linear=True, bn_decay=0.995, embedding=512, input_size=160, kernel_init="xavier"),
        "A sixth 8x8 block without scaling or activation, and a batch-normalised linear layer to 512 numbers, of unit "
        "length in `embedding`, before the classifier. facenet-pytorch's weights have gammas (`bn_scale`).",
        ("facenet", "facenet-pytorch (bn_scale)"),
    ),
}
V2_VARIANTS = {
    "slim": Variant(
        V2Options(kernel_init="xavier"),
        "The released network, which all public weights fit: the stem of Inception-v3 and one more module, 10, 20 and "
        "10 blocks of which the last is neither scaled nor activated, and a last 1x1 to 1536 channels.",
        ("TF-slim inception_resnet_v2", "Keras InceptionResNetV2"),
    ),
    "timm": Variant(
        V2Options(bn_scale=True, bn_decay=0.9, heads=False),
        "The same layers with gammas and no auxiliary classifier.",
        ("timm inception_resnet_v2.*",),
    ),
    "paper": Variant(
        V2Options(released=False, heads=False),
        "The paper's figures: the stem of Inception-v4, 5, 10 and 5 blocks, 1152 and 2144 channels where the figures "
        "print 1154 and 2048. It costs three quarters of what the paper says, Inception-v4's cost; the released one "
        "agrees with that.",
    ),
}

# The blocks' branches; each ends in a linear 1x1 to the channels of its input.
A_V1: Branches = ([conv(32)], [conv(32), conv(32, 3)], [conv(32), conv(32, 3), conv(32, 3)])  # figure 10
A_V2: Branches = ([conv(32)], [conv(32), conv(32, 3)], [conv(32), conv(48, 3), conv(64, 3)])  # figure 16
B_V1: Branches = ([conv(128)], [conv(128), conv(128, (1, 7)), conv(128, (7, 1))])  # figure 11
B_V2: Branches = ([conv(192)], [conv(128), conv(160, (1, 7)), conv(192, (7, 1))])  # figure 17
C_V1: Branches = ([conv(192)], [conv(192), conv(192, (1, 3)), conv(192, (3, 1))])  # figure 13
C_V2: Branches = ([conv(192)], [conv(192), conv(224, (1, 3)), conv(256, (3, 1))])  # figure 19


def blocks(name: str, branches: Branches, count: int, scale: float) -> list[Row]:
    """`count` residual blocks, each with weights of its own, named `{name}_1` and on."""
    return [(f"{name}_{number}", residual(*branches, scale=scale)) for number in range(1, count + 1)]


def linear_block(number: int, branches: Branches) -> Row:
    """The last 8x8 block of public code: not scaled, no activation."""
    return f"block8_{number}", residual(*branches, scale=1.0, activate=False)


def reduction_b(second: int, third: int, last: int) -> Inception:
    """Figures 12 and 18, 17x17 -> 8x8."""
    return inception(
        [conv(256), conv(384, 3, 2, "VALID")],
        [conv(256), conv(second, 3, 2, "VALID")],
        [conv(256), conv(third, 3), conv(last, 3, 2, "VALID")],
        [max_pool(3, 2, "VALID")],
    )


def build_v1(options: V1Options) -> Architecture:
    """Figure 15: the stem of figure 14, 5 x A, reduction, 10 x B, reduction, 5 x C."""
    rows: list[Row] = [
        ("conv2d_1a", conv(32, 3, 2, "VALID")),
        ("conv2d_2a", conv(32, 3, padding="VALID")),
        ("conv2d_2b", conv(64, 3)),
        ("max_pool_3a", max_pool(3, 2, "VALID")),
        ("conv2d_3b", conv(80)),
        ("conv2d_4a", conv(192, 3, padding="VALID")),
        ("conv2d_4b", conv(256, 3, 2, "VALID")),
        *blocks("block35", A_V1, 5, options.scale_35),
        ("mixed_6a", reduction_a(192, 192, 256, 384)),
        *blocks("block17", B_V1, 10, options.scale_17),
        ("mixed_7a", reduction_b(256, 256, 256)),
        *blocks("block8", C_V1, 5, options.scale_8),
    ]
    if options.last_linear:
        rows += [linear_block(6, C_V1)]
    return Architecture(
        tuple(rows),
        heads=(),
        dropout=0.2,
        norm=BatchNormSpec(scale=options.bn_scale, decay=options.bn_decay),
        input_size=options.input_size,
        kernel_init=INITIALIZERS[options.kernel_init],
        embedding=options.embedding,
        published={"total": {"ops": "about Inception-v3's"}},
    )


def build_v2(options: V2Options) -> Architecture:
    """Figure 15 with the blocks of figures 16 to 19, or the network that was released."""
    if options.released:
        rows = inception_v3.stem(stride=2, pools=2)
        rows += [
            (
                "mixed_5b",
                inception(
                    [conv(96)],
                    [conv(48), conv(64, 5)],
                    [conv(64), conv(96, 3), conv(96, 3)],
                    [avg_pool(3), conv(64)],
                ),
            )
        ]
    else:
        rows = inception_v4.stem(replace(inception_v4.Options(), paper_order=True))
    a, b, c = (10, 20, 9) if options.released else (5, 10, 5)
    rows += [
        *blocks("block35", A_V2, a, options.scale_35),
        ("mixed_6a", reduction_a(256, 256, 384, 384)),
        *blocks("block17", B_V2, b, options.scale_17),
        ("mixed_7a", reduction_b(288, 288, 320)),
        *blocks("block8", C_V2, c, options.scale_8),
    ]
    if options.released:
        rows += [linear_block(10, C_V2), ("conv2d_7b", conv(1536))]
    return Architecture(
        tuple(rows),
        heads=(inception_v3_head("aux", f"block17_{b}"),) if options.heads else (),
        dropout=0.2,
        norm=BatchNormSpec(scale=options.bn_scale, decay=options.bn_decay),
        input_size=299,
        kernel_init=INITIALIZERS[options.kernel_init],
        published={"total": {"ops": "about Inception-v4's"}},
    )
