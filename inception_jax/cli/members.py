"""The members of an ensemble: the answers of each to every image of a split, one file a protocol, kept for later."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

import inception_jax
from inception_jax.cli.counted import config_for, count, images_for, protocol_of
from inception_jax.config import Config, ConfigError, flatten, view_scales
from inception_jax.data.crops import views_of
from inception_jax.data.records import Source
from inception_jax.distributed.job import Job
from inception_jax.errors import UserError
from inception_jax.evaluation.ensemble import require_same_classes
from inception_jax.evaluation.predictions import load_about
from inception_jax.new_file import new_file
from inception_jax.training.trained import Trained, load_trained, load_weights

# Where and how fast images are read, and what is theirs to train on, change no answer.
_NOT_ASKED = {"data.data_dir", "data.threads", "data.prefetch", "data.train_split", "data.eval_split"}


class Cell(NamedTuple):
    """A file with the answers of one member under one protocol."""

    path: Path
    views: int


@dataclasses.dataclass
class Member:
    """A network of the ensemble.

    Attributes:
      name: for a person.
      network: its registered name; empty if a file does not say.
      cells: by protocol, in the order in which they were asked for.
    """

    name: str
    network: str
    cells: dict[str, Cell]


class _Wanted(NamedTuple):
    member: Member
    trained: Trained
    source: Source
    config: Config
    protocol: str
    about: dict[str, Any]
    path: Path


def members_of_files(paths: Sequence[Path]) -> list[Member]:
    """Members whose answers are there already; files of the same weights are one member under several protocols.

    Raises:
      DataError: a file cannot be read.
      UserError: two files have the answers of the same weights under the same protocol.
    """
    found: dict[tuple[Any, ...], Member] = {}
    for path in paths:
        about = load_about(path)
        weights = about.get("run") or about.get("weights") or str(path)
        step = about.get("step")
        name = str(weights) if step is None else f"{weights}, step {step}"
        member = found.setdefault((weights, step), Member(name, about.get("network", ""), {}))
        protocol = str(about.get("protocol", "single"))
        if protocol in member.cells:
            raise UserError(
                f"{path} and {member.cells[protocol].path} both have the answers of {name} under protocol {protocol}"
            )
        member.cells[protocol] = Cell(path, int(about.get("views", 1)))
    return list(found.values())


def compute_members(
    paths: Sequence[Path],
    which: Literal["best", "newest"],
    protocols: Sequence[str],
    flags: Sequence[str],
    chosen: Mapping[str, str | None],
    split: str | None,
    folder: Path,
    mesh: Mesh,
) -> list[Member]:
    """Members of run directories and weights files; what `folder` does not have yet is computed and written there.

    Args:
      paths: run directories and weights files.
      which: checkpoint of a run.
      protocols: of `config.evaluation.protocol`.
      flags: `--config` flags, for every member.
      chosen: fields that other flags name, likewise.
      split: None: `config.data.eval_split`.
      folder: is made where it is missing.
      mesh: where to compute.

    Raises:
      UserError: weights cannot be read, or cannot be averaged with the others, or there are no such images.
    """
    every = [_load(path, which, mesh) for path in paths]
    for other in every[1:]:
        names = [one.class_names or tuple(map(str, range(one.network.num_classes or 0))) for one in (every[0], other)]
        if all(one.class_names for one in (every[0], other)) or len(names[0]) != len(names[1]):
            require_same_classes(str(every[0].path), names[0], str(other.path), names[1])
    chosen = _with_images(every, flags, chosen)
    members, wanted = [], []
    for trained in every:
        member, digest = Member(_name(trained), trained.config.model.name, {}), _digest(trained.variables)
        for protocol in protocols:
            fields = {**chosen, "evaluation.protocol": protocol}
            config = config_for(trained, flags, fields, images_only=True)
            where = split or config.data.eval_split
            source = images_for(trained, config, where)
            about = {**trained.about(), "network": member.network, "data": config.data.source, "split": where}
            own = key(digest, config, where, source)
            path = folder / f"{_slug(trained)}-{protocol}-{own}.npz"
            wanted.append(_Wanted(member, trained, source, config, protocol, {**about, "key": own}, path))
        members.append(member)
    _require_same_images(wanted)
    _compute(wanted, folder, mesh)
    return members


def _compute(wanted: Sequence[_Wanted], folder: Path, mesh: Mesh) -> None:
    main = jax.process_index() == 0
    if main:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder} cannot be made: {error.strerror}") from error
    # The first process decides for all: others may not see its files, and must not wait for one that computes.
    with Job() as together:
        missing = together.from_first("missing", [not one.path.exists() for one in wanted])
    for place, (one, compute) in enumerate(zip(wanted, missing, strict=True), 1):
        if main:
            state = "" if compute else f": {one.path} is there already"
            print(f"{one.member.name}, protocol {one.protocol} ({place} of {len(wanted)}){state}", file=sys.stderr)
        if compute:
            counted = count(one.trained, one.source, one.config, mesh, predictions=True)
            if counted.predictions:
                about = {**one.about, **protocol_of(one.config, counted.views), **counted.result}
                with new_file(one.path) as file:
                    counted.predictions.save(file, about)
        views = views_of(one.config)
        one.member.cells[one.protocol] = Cell(one.path, views.count if views else 1)


def _load(path: Path, which: Literal["best", "newest"], mesh: Mesh) -> Trained:
    trained = load_weights(path, mesh) if path.suffix == ".safetensors" else load_trained(path, which, mesh)
    if not trained.network.num_classes:
        raise UserError(f"{path} is a feature extractor without a classifier; it cannot be a member")
    return trained


def _with_images(
    every: Sequence[Trained], flags: Sequence[str], chosen: Mapping[str, str | None]
) -> Mapping[str, str | None]:
    """Where no flag says so, the images are those of the runs."""
    named = any(flag.partition("=")[0] in ("--config", "--config.data.source") for flag in flags)
    runs = [trained for trained in every if trained.meta is None]
    if named or chosen.get("data.source") or not runs:
        return chosen
    first = runs[0].config.data
    for other in runs[1:]:
        if other.config.data.source != first.source:
            raise ConfigError(
                f"{runs[0].path} was trained on {first.source} and {other.path} on {other.config.data.source}: "
                "say with --data which images all members are to answer to"
            )
    images = {"data.source": first.source, "data.eval_split": first.eval_split}
    # An empty value of a flag would be no value.
    return {**chosen, **images, **({"data.data_dir": first.data_dir} if first.data_dir else {})}


def _require_same_images(wanted: Sequence[_Wanted]) -> None:
    """Said before the work rather than after it; the images themselves are compared when they are averaged."""
    first = wanted[0]
    for other in wanted[1:]:
        mine, theirs = (f"{one.config.data.source} {one.about['split']}" for one in (first, other))
        if mine != theirs:
            raise ConfigError(
                f"{first.member.name} would answer to {mine} and {other.member.name} to {theirs}: "
                "say with --data and --split which images all members are to answer to"
            )


def _digest(variables: Mapping[str, Any]) -> str:
    """A hash of every weight by name."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(variables):
        values = np.ascontiguousarray(np.asarray(leaf))
        digest.update(f"{jax.tree_util.keystr(path)} {values.dtype} {values.shape}".encode())
        digest.update(values.view(np.uint8).data if values.size else b"")
    return digest.hexdigest()


def key(weights: str, config: Config, split: str, source: Source) -> str:
    """What decides an answer: weights, network, images, how they are cut, and the program."""
    evaluation = config.evaluation
    fields = {
        name: value
        for name, value in flatten(config).items()
        if name.startswith(("model.", "data.")) and name not in _NOT_ASKED
    }
    exclude = Path(evaluation.exclude).expanduser().read_text() if evaluation.exclude else ""
    facts = {
        "version": inception_jax.__version__,
        "weights": weights,
        **fields,
        "split": split,
        "images": len(source),
        "classes": source.class_names,
        "protocol": (evaluation.protocol, evaluation.average, view_scales(config), evaluation.square),
        "exclude": exclude,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _name(trained: Trained) -> str:
    return str(trained.path) if trained.step is None else f"{trained.path}, step {trained.step}"


def _slug(trained: Trained) -> str:
    step = "" if trained.step is None else f"-{trained.step}"
    return re.sub(r"[^\w.-]+", "_", trained.path.resolve().stem) + step
