"""Checkpoints of a run: state, data iterator and config in one, verified when read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax import lax
from orbax.checkpoint import checkpoint_managers as policies

from inception_jax.config import Config, fingerprint, flatten
from inception_jax.distributed.job import Job
from inception_jax.errors import UserError
from inception_jax.training.run_directory import RunDirectoryError, require_same
from inception_jax.training.state import TrainState


class CheckpointError(UserError, RuntimeError):
    """A checkpoint that could not be written. The message names the directory and the reason."""


@dataclass(frozen=True)
class Restored:
    """A checkpoint in memory: the state on its devices, the data iterator's state, and what describes them."""

    state: TrainState
    data: dict[str, Any]
    meta: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, in `workdir`/checkpoints, one directory a step.

    Saving is asynchronous; `wait` or the next `save` reports what failed. Kept are the newest
    `keep_last` and the `keep_best` of highest validation top-1.

    Args:
      workdir: the run directory.
      config: the experiment; a checkpoint of another one is refused.
      class_names: saved with the weights, so that they can be used without the data set.
      read_only: change nothing on disk, so that a run may be looked at while it trains.
      job: the processes that make the same calls, each saving and reading what its devices hold; default: all.
    """

    def __init__(
        self,
        workdir: Path,
        config: Config,
        class_names: tuple[str, ...] = (),
        *,
        read_only: bool = False,
        job: Job | None = None,
    ) -> None:
        self.directory = workdir.absolute() / "checkpoints"
        self.damaged = self.directory / "damaged"
        self._config, self._class_names, self._job = config, class_names, job or Job()
        if not read_only:
            if self._job.first:
                self._set_aside_unreadable()
            self._job.meet("the checkpoints of the start before")
        keep: list[policies.PreservationPolicy] = [policies.LatestN(config.checkpoint.keep_last)]
        if config.checkpoint.keep_best:
            keep.append(
                policies.BestN(
                    get_metric_fn=_top1,
                    n=config.checkpoint.keep_best,
                    keep_checkpoints_without_metrics=False,
                )
            )
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(keep),
                best_fn=_top1,  # decides nothing beside the policy, but without it metrics are not saved
                cleanup_tmp_directories=not read_only,
                read_only=read_only,
            ),
            item_names=("state", "data", "meta"),
            item_handlers={
                "state": ocp.StandardCheckpointHandler(),
                "data": ocp.JsonCheckpointHandler(),
                "meta": ocp.JsonCheckpointHandler(),
            },
        )

    def steps(self) -> list[int]:
        """Steps of which a checkpoint is kept, in rising order."""
        return sorted(self._manager.all_steps())

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` lies."""
        return self.directory / str(step)

    def save(self, state: TrainState, data: Mapping[str, Any], validation: Mapping[str, float] | None = None) -> None:
        """Starts saving the state at `state.step`, which must be finite; keeps an existing one of that step.

        Args:
          state: on the devices; it may be donated as soon as this returns.
          data: the iterator's state after as many batches, JSON-ready.
          validation: metrics of this state, among them `top1`.

        Raises:
          CheckpointError: this save, or the one before, failed.
          PeerFailed, PeerLost: another process has left.
        """
        step, state = int(state.step), _without_seed(state)
        if step in self._manager.all_steps():
            return
        meta = {
            "step": step,
            "fingerprint": fingerprint(self._config),
            "config": flatten(self._config),
            "class_names": self._class_names,
            "structure": structure(state),
            "checksum": int(checksum(state)),
            "variables": int(checksum(state.variables())),
        }
        meta["digest"] = _digest(meta, dict(data))
        with self._reported(f"checkpoint of step {step}"), _quiet_without_metrics():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(dict(data)), meta=ocp.args.JsonSave(meta)
                ),
                metrics=dict(validation) if validation else None,
            )

    def wait(self) -> None:
        """Returns when every save has reached the disk.

        Raises:
          CheckpointError: one did not.
          PeerFailed, PeerLost: another process has left.
        """
        with self._reported("a checkpoint"):
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def close(self) -> None:
        """Waits, and ends the threads that save.

        Raises:
          CheckpointError: a save failed.
        """
        with self._reported("a checkpoint"):
            self._manager.close()

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A save that is under way waits for what other processes write.
        if not self._job.has_lost_peers(error):
            self.close()

    def best(self) -> int | None:
        """The kept step of highest validation top-1, the newest of equals; None without any."""
        scores = {step: _top1(metrics) for step in self.steps() if (metrics := self._manager.metrics(step))}
        return max(scores, key=lambda step: (scores[step], step), default=None)

    def restore(self, abstract: TrainState) -> Restored | None:
        """The newest checkpoint that is whole; None if there never was one.

        One that is damaged is moved to checkpoints/damaged with a warning, and the one before is tried.

        Args:
          abstract: shapes, dtypes and shardings of the state; any number of devices.

        Raises:
          RunDirectoryError: it is of another config or another network, or every checkpoint is damaged.
          PeerFailed, PeerLost: another process has left.
        """
        for step in reversed(self.steps()):
            try:
                return self.read(step, abstract)
            except RunDirectoryError:
                raise
            except Exception as error:  # orbax, tensorstore and json have no base class in common
                if self._job.has_lost_peers(error):
                    raise
                if self._job.first:
                    set_aside(self.path(step), self.damaged, error)
                self._job.meet("a damaged checkpoint")
                self._manager.reload()
        if self.damaged.exists():
            raise RunDirectoryError(
                f"every checkpoint in {self.directory} is damaged; they are in {self.damaged}: "
                "repair one and move it back, or remove that directory to start from step 0"
            )
        return None

    def read_meta(self, step: int) -> dict[str, Any]:
        """What describes the checkpoint of `step`: `config` (flattened), `class_names`, `structure`, `checksum`."""
        return self._read_json(step, "meta")

    def read(self, step: int, abstract: TrainState) -> Restored:
        """The checkpoint of `step`, verified; see `restore`."""
        restored = self._agreed(f"the checkpoint of step {step}", lambda: self._load(step, abstract))
        _require_checksum(restored.state, restored.meta["checksum"])
        seed = jax.make_array_from_callback((), abstract.seed.sharding, lambda _: np.uint32(self._config.seed))
        return dataclasses.replace(restored, state=restored.state.replace(seed=seed))

    def read_variables(self, step: int, abstract: TrainState) -> dict[str, Any]:
        """`state.variables()` of the checkpoint of `step`, verified, without reading anything else of the state."""
        meta, _ = self._description(step, abstract)
        average = {"average": abstract.average} if abstract.average else None
        part = average or {"params": abstract.params, "batch_stats": abstract.batch_stats}
        read = ocp.PyTreeCheckpointHandler().restore(
            self._item(step, "state"),
            args=ocp.args.PyTreeRestore(
                part, restore_args=ocp.checkpoint_utils.construct_restore_args(part), partial_restore=True
            ),
        )
        variables = read["average"] if average else read
        _require_checksum(variables, meta["variables"])
        return variables

    def _description(self, step: int, abstract: TrainState) -> tuple[dict[str, Any], dict[str, Any]]:
        """`meta` and `data` of the checkpoint of `step`, which is of this config and of the structure of `abstract`."""
        # Not through the manager, which ends by waiting on the devices for processes that may have failed to read.
        meta, data = (self._read_json(step, name) for name in ("meta", "data"))
        digest = meta.pop("digest")
        if _digest(meta, data) != digest:
            raise ValueError("its description or its iterator's state is not as it was saved")
        require_same(meta["config"], flatten(self._config), self.path(step))
        _require_structure(meta["structure"], structure(_without_seed(abstract)), self.path(step))
        return meta, data

    def _item(self, step: int, name: str) -> epath.Path:
        return epath.Path(self.path(step)) / name

    def _read_json(self, step: int, name: str) -> dict[str, Any]:
        return dict(ocp.JsonCheckpointHandler().restore(self._item(step, name)))

    def _load(self, step: int, abstract: TrainState) -> Restored:
        meta, data = self._description(step, abstract)
        target = ocp.args.StandardRestore(_without_seed(abstract))
        state = ocp.StandardCheckpointHandler().restore(self._item(step, "state"), args=target)
        return Restored(state, data, meta)

    def _agreed(self, what: str, load: Callable[[], Restored]) -> Restored:
        """What `load` returns, if no process failed to: a damaged part may be seen by the one that reads it alone."""
        failure: Exception | None = None
        loaded: Restored | None = None
        try:
            loaded = load()
        except Exception as error:  # orbax, tensorstore and json have no base class in common
            failure = error
        failures = self._job.exchange(what, failure and f"{type(failure).__name__}: {failure}")
        if failure:
            raise failure
        if told := next(filter(None, failures), None):
            raise ValueError(told)
        assert loaded
        return loaded

    def _set_aside_unreadable(self) -> None:
        # The manager reads the metrics of every checkpoint when it opens, and fails if one of them is damaged.
        for path in sorted(self.directory.glob("[0-9]*")):
            if path.name.isdigit() and (metrics := path / "metrics" / "metrics").exists():
                try:
                    _top1(json.loads(metrics.read_text()))
                except (ValueError, KeyError, TypeError) as error:
                    set_aside(path, self.damaged, error)

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # orbax, tensorstore and the file system have no base class in common
            if self._job.has_lost_peers(error):
                raise self._job.lost(what, error) from error
            reason = " ".join(str(error).split())
            raise CheckpointError(f"{what} could not be saved in {self.directory}: {reason}") from error


@contextmanager
def _quiet_without_metrics() -> Iterator[None]:
    """Not every checkpoint is validated, which orbax warns about each time."""

    def expected(record: logging.LogRecord) -> bool:
        return "tracked_metric" not in str(record.msg)

    logger = logging.getLogger("absl")
    logger.addFilter(expected)
    try:
        yield
    finally:
        logger.removeFilter(expected)


def _without_seed(state: TrainState) -> TrainState:
    """What a checkpoint holds: the seed is the config's."""
    return state.replace(seed=None)


def _top1(metrics: Any) -> float:
    return metrics["top1"]


def _digest(*values: Any) -> str:
    """Of JSON values, to notice a bit that flipped in a file that still is JSON."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def set_aside(path: Path, damaged: Path, error: Exception) -> None:
    """Moves the damaged checkpoint at `path` into `damaged`, warning."""
    damaged.mkdir(exist_ok=True)
    target = damaged / path.name
    for attempt in range(1, 1000):
        if not target.exists():
            break
        target = damaged / f"{path.name}.{attempt}"
    shutil.move(path, target)
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    warnings.warn(f"checkpoint {path} is damaged and was moved to {target}: {reason[:300]}", stacklevel=3)


def structure(tree: Any) -> dict[str, str]:
    """`{"params/conv/kernel": "float32[3,3,3,8]", ...}` of every array."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): f"{x.dtype}[{','.join(map(str, x.shape))}]"
        for path, x in jax.tree_util.tree_leaves_with_path(tree)
    }


def _require_structure(saved: Mapping[str, str], wanted: Mapping[str, str], path: Path) -> None:
    for name in sorted({*saved, *wanted}):
        if saved.get(name) != wanted.get(name):
            raise RunDirectoryError(
                f"{path} was made by another version of the network or optimizer: {name} is {saved.get(name)} "
                f"in the checkpoint and {wanted.get(name)} in the code; use that version or another workdir"
            )


def _require_checksum(tree: Any, saved: int) -> None:
    if (found := int(checksum(tree))) != saved:
        raise ValueError(f"its checksum is {found:#010x} where {saved:#010x} was saved")


@jax.jit
def checksum(tree: Any) -> jax.Array:
    """uint32 over the bits of every array; equal on any number of devices, sensitive to every single bit.

    Integer arithmetic that wraps: element i weighs 2 i + 1, so exchanged elements show as well, and array k of n weighs
    31^(n - 1 - k), so exchanged arrays do.
    """

    def weighed(x: jax.Array) -> jax.Array:
        unsigned = jnp.dtype(f"uint{8 * x.dtype.itemsize}")
        bits = lax.bitcast_convert_type(x, unsigned).astype(jnp.uint32).ravel()
        return (bits * (2 * jnp.arange(bits.size, dtype=jnp.uint32) + 1)).sum(dtype=jnp.uint32)

    sums = [weighed(x) for x in jax.tree.leaves(tree)]
    # Known weights, as Horner's rule would be a chain through all arrays, which compiles in the square of their number.
    weights = np.array([pow(31, power, 2**32) for power in reversed(range(len(sums)))], np.uint32)
    return (jnp.stack(sums) * weights).sum(dtype=jnp.uint32)
