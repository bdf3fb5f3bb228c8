"""The vocabulary in which networks are written: rows of operations, as in the papers' tables.

A network is a tuple of `(name, operation)` rows; an Inception module is one operation made of
branches, each a list of operations. Nothing here computes: `layers`, `inception` and `network` do.
Channel counts are those of the paper at width 1; `scaled` applies the width multiplier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Padding = str | int
"""`"SAME"` and `"VALID"` as TensorFlow pads, `"CEIL"` as Caffe's pools do, or pixels on every side."""

WHOLE_MAP = (0, 0)
"""Kernel of a convolution that spans the whole map: a fully connected layer."""


@dataclass(frozen=True)
class Conv:
    """A convolution with its normalisation and activation. `linear` has a bias and neither of them.

    With a `multiplier` it is separable: `multiplier` filters on each input channel, then a 1x1 to
    `features`, nothing between the two. `by_activation`: batch norm of each activation by itself, not of each channel.
    """

    features: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: Padding = "SAME"
    linear: bool = False
    norm: bool = True
    stddev: float | None = None
    multiplier: int = 0
    by_activation: bool = False

    @property
    def opens_branch(self) -> bool:
        """Whether it is a 1x1 matrix product that may be merged with its siblings."""
        pointwise = self.kernel == (1, 1) and self.stride == 1 and self.padding in ("SAME", "VALID", 0)
        return pointwise and not self.multiplier

    @property
    def label(self) -> str:
        """`3x3`, the last part of the convolution's name."""
        return "map" if self.kernel == WHOLE_MAP else f"{self.kernel[0]}x{self.kernel[1]}"


@dataclass(frozen=True)
class Pool:
    """A pool. `count_padding` lets zeros at the border enter an average, as torchvision's v3 does."""

    kind: Literal["max", "avg"]
    window: int
    stride: int = 1
    padding: Padding = "SAME"
    count_padding: bool = False

    @property
    def commutes(self) -> bool:
        """Whether a 1x1 convolution behind it may as well run before: linear over space, and no smaller map."""
        return self.kind == "avg" and self.stride == 1


@dataclass(frozen=True)
class AdaptiveAvgPool:
    """An average over `size` x `size` windows that cover the map evenly, as torch's `AdaptiveAvgPool2d`."""

    size: int


@dataclass(frozen=True)
class LocalResponseNorm:
    """Normalisation across channels (Krizhevsky et al. 2012, section 3.3), constants as in Caffe; beta is 0.75."""

    window: int = 5
    alpha: float = 1e-4
    k: float = 1.0


@dataclass(frozen=True)
class Split:
    """Convolutions on the same input, concatenated: `{1x3 | 3x1}` of Rethinking's Figure 7."""

    convs: tuple[Conv, ...]


@dataclass(frozen=True)
class Inception:
    """An Inception module: branches on the same input, concatenated in the order listed."""

    branches: tuple[tuple[Operation, ...], ...]


@dataclass(frozen=True)
class Residual:
    """An Inception module whose concatenation a linear 1x1 brings back to the input's channels.

    The input plus `scale` times that is the output, after the activation unless `activate` is False
    (arXiv 1602.07261, sections 3.2 and 3.3).
    """

    branches: tuple[tuple[Operation, ...], ...]
    scale: float
    activate: bool = True


Operation = Conv | Pool | AdaptiveAvgPool | LocalResponseNorm | Split | Inception | Residual
Row = tuple[str, Operation]


def conv(
    features: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    padding: Padding = "SAME",
    *,
    linear: bool = False,
    norm: bool = True,
    stddev: float | None = None,
    multiplier: int = 0,
) -> Conv:
    """`conv(128, 3)` is 3x3 to 128 channels; `conv(192, (1, 7))` is 1 high and 7 wide."""
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    return Conv(features, kernel, stride, padding, linear, norm, stddev, multiplier)


def max_pool(window: int, stride: int = 1, padding: Padding = "SAME") -> Pool:
    """A maximum over `window` x `window` pixels."""
    return Pool("max", window, stride, padding)


def avg_pool(window: int, stride: int = 1, padding: Padding = "SAME", *, count_padding: bool = False) -> Pool:
    """An average over `window` x `window` pixels; outside ones do not count unless `count_padding`."""
    return Pool("avg", window, stride, padding, count_padding)


def split(*convs: Conv) -> Split:
    """`split(conv(384, (1, 3)), conv(384, (3, 1)))`."""
    return Split(convs)


def inception(*branches: Sequence[Operation]) -> Inception:
    """`inception([conv(64)], [conv(96), conv(128, 3)], [max_pool(3), conv(32)])`."""
    return Inception(tuple(tuple(branch) for branch in branches))


def residual(*branches: Sequence[Operation], scale: float, activate: bool = True) -> Residual:
    """`residual([conv(32)], [conv(32), conv(32, 3)], scale=0.17)`."""
    return Residual(tuple(tuple(branch) for branch in branches), scale, activate)


def scaled(features: int, width: float) -> int:
    """`features` times `width`, to the nearest multiple of 8 and at least 8; unchanged at width 1."""
    return features if width == 1 else max(8, 8 * round(features * width / 8))


def cut_to_map(operation: Operation, height: int, width: int) -> Operation:
    """Shrinks a kernel or window to a map smaller than it, as slim's `_reduced_kernel_size_for_small_input`."""
    if isinstance(operation, Conv):
        kernel = (height, width) if operation.kernel == WHOLE_MAP else operation.kernel
        return replace(operation, kernel=(min(kernel[0], height), min(kernel[1], width)))
    if isinstance(operation, Pool):
        return replace(operation, window=min(operation.window, height, width))
    return operation


def notation(operation: Operation) -> str:
    """An operation as the papers write it: `3x3/2 V 32`, `1x1 96 -> 3x3 128`, `{1x3 384 | 3x1 384}`."""
    match operation:
        case Conv():
            separable = f" separable x{operation.multiplier}" if operation.multiplier else ""
            tail = " linear" if operation.linear else separable
            return f"{operation.label}{_stride_and_edge(operation)} {operation.features}{tail}"
        case Pool():
            return f"{operation.kind} {operation.window}x{operation.window}{_stride_and_edge(operation)}"
        case AdaptiveAvgPool():
            return f"avg to {operation.size}x{operation.size}"
        case LocalResponseNorm():
            return f"LRN {operation.window}"
        case Split():
            return "{" + " | ".join(map(notation, operation.convs)) + "}"
        case Inception():
            return "; ".join(" -> ".join(map(notation, branch)) for branch in operation.branches)
        case Residual():
            edge = "" if operation.activate else ", no ReLU"
            return f"x + {operation.scale:g} ({notation(Inception(operation.branches))}{edge})"


def _stride_and_edge(operation: Conv | Pool) -> str:
    stride = f"/{operation.stride}" if operation.stride > 1 else ""
    return stride + {"SAME": "", "VALID": " V", "CEIL": " ceil"}.get(
        str(operation.padding), f" pad {operation.padding}"
    )
