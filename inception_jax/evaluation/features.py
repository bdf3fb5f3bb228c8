"""What a network computes of images before its answer: the output of any layer that has a name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.data.photometric import normalise
from inception_jax.data.pipeline import eval_iterator
from inception_jax.data.records import DataError, Source
from inception_jax.distributed.mesh import batch_sharding, gathered, put_batch, replicated
from inception_jax.errors import UserError

POOLED = "features"
"""The network's own average over its last map, before dropout and classifier."""


class UnknownEndpoint(UserError, ValueError):
    """A name that no layer of the network has."""


@dataclass(frozen=True)
class Features:
    """Features of N images that could be read, in their order.

    Attributes:
      values: float32 [N, C], or [N, H, W, C] if they are spatial.
      positions: int64 [N], which images of the source.
      labels: int32 [N]; None if the images have no classes.
      class_names: of every label, in order; empty without labels.
    """

    values: np.ndarray
    positions: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]


def extract(
    network: nn.Module,
    variables: Mapping[str, Any],
    source: Source,
    config: Config,
    mesh: Mesh,
    *,
    endpoint: str = POOLED,
    spatial: bool = False,
    on_batch_done: Callable[[int], None] = lambda images: None,
) -> Features:
    """The output of a layer for every image of `source`; running batch statistics, no dropout.

    Args:
      network: a network of `inception_jax.models`.
      variables: `params` and `batch_stats`, on the mesh's devices.
      source: the images; one class without a name says that they have none.
      config: `data` says how an image becomes the network's input, and `evaluation.batch_size` or `batch_size` how
        many are computed together, rounded up to a multiple of the devices.
      mesh: where to compute, of one process.
      endpoint: one of `endpoints`.
      spatial: keep the map of a convolutional layer; else its mean over height and width is taken.
      on_batch_done: called after each batch with the number of its images.

    Raises:
      UnknownEndpoint: naming those that are near.
      DataError: not one image can be read.
    """
    config = replace(config, evaluation=replace(config.evaluation, protocol="single"))
    compute = jax.jit(
        lambda variables, images: _values(network, gathered(variables, mesh), images, config, endpoint, spatial),
        in_shardings=(None, batch_sharding(mesh)),
        out_shardings=replicated(mesh),
    )
    devices = mesh.devices.size
    wanted = min(config.evaluation.batch_size or config.batch_size, len(source))
    batch_size = -(-wanted // devices) * devices
    shape = _shape(network, variables, config, endpoint, spatial)
    values = np.empty((len(source), *shape), np.float32)
    positions: list[int] = []
    labels: list[int] = []
    done = 0

    def finish(batch: tuple[Mapping[str, Any], jax.Array] | None) -> None:
        nonlocal done
        if batch is None:
            return
        images = min(batch_size, len(source) - done)
        kept = np.flatnonzero(batch[0]["label"][:images] >= 0)
        values[len(positions) : len(positions) + len(kept)] = np.asarray(batch[1])[kept]
        positions.extend((done + kept).tolist())
        labels.extend(batch[0]["label"][kept].tolist())
        done += images
        on_batch_done(images)

    running: tuple[Mapping[str, Any], jax.Array] | None = None
    for batch in eval_iterator(source, config, batch_size=batch_size):
        sent = put_batch({"image": batch["image"]}, mesh)["image"]
        finished, running = running, (batch, compute(variables, sent))
        finish(finished)  # while the device works on the batch just sent
    finish(running)
    if not positions:
        raise DataError(f"none of the {len(source)} images can be read")
    labelled = source.class_names != ("",)
    return Features(
        values=values[: len(positions)],
        positions=np.array(positions),
        labels=np.array(labels, np.int32) if labelled else None,
        class_names=source.class_names if labelled else (),
    )


def endpoints(network: nn.Module, variables: Mapping[str, Any], config: Config) -> dict[str, tuple[int, ...]]:
    """Every layer that can be asked for, in the order of the network, and the shape of its output for one image.

    Those are its rows, then `features`, and `embedding` and `logits` if it has them.
    """
    size = config.data.image_size
    output: Any = jax.eval_shape(network.apply, variables, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
    return {name: value.shape[1:] for name, value in _all(output).items()}


def _all(output: Any) -> dict[str, jax.Array]:
    last = {POOLED: output.features, "embedding": output.embedding, "logits": output.logits}
    return {**output.endpoints, **{name: value for name, value in last.items() if value is not None}}


def _shape(
    network: nn.Module, variables: Mapping[str, Any], config: Config, endpoint: str, spatial: bool
) -> tuple[int, ...]:
    known = endpoints(network, variables, config)
    if endpoint not in known:
        near = difflib.get_close_matches(endpoint, known, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UnknownEndpoint(f"the network has no endpoint {endpoint!r}{hint} It has {', '.join(known)}")
    shape = known[endpoint]
    if spatial and len(shape) == 1:
        raise UnknownEndpoint(f"endpoint {endpoint!r} is a vector already: leave --spatial out")
    return shape if spatial else shape[-1:]


def _values(
    network: nn.Module, variables: Mapping[str, Any], images: jax.Array, config: Config, endpoint: str, spatial: bool
) -> jax.Array:
    output: Any = network.apply(variables, normalise(images, config.data.mean, config.data.std))
    value = _all(output)[endpoint].astype(jnp.float32)
    return value if spatial or value.ndim == 2 else value.mean((1, 2))
