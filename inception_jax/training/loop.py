"""The training loop: steps, rows, validation and checkpoints, until the end or a signal."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from inception_jax.config import Config
from inception_jax.data.pipeline import train_iterator
from inception_jax.distributed.job import Job
from inception_jax.distributed.mesh import mesh_of, put_batch, replicated
from inception_jax.evaluation.evaluator import Evaluator
from inception_jax.reporting.curves import plot_run
from inception_jax.reporting.progress import Progress
from inception_jax.reporting.writers import METRICS_FILE, MetricWriter, read_metrics
from inception_jax.training import run_directory
from inception_jax.training.ahead_of_time import lower_train_step
from inception_jax.training.checkpoints import Checkpoints
from inception_jax.training.experiment import Experiment, build_experiment
from inception_jax.training.facts import facts
from inception_jax.training.initial import Flat, read_initial, start_from, with_weights_file
from inception_jax.training.interruption import Interrupted, Interruption, StopRequested
from inception_jax.training.lock import locked
from inception_jax.training.schedules import in_steps
from inception_jax.training.state import Metrics, abstract_state, init_state

_MAX_IN_FLIGHT = 2


class NonFiniteLoss(RuntimeError):
    """Training diverged. The message names the step, the learning rate and the last good checkpoint."""


def train(
    config: Config, workdir: str | os.PathLike[str], *, mesh: Mesh | None = None, stream: TextIO | None = None
) -> dict[str, Any]:
    """Runs an experiment, or continues it where `workdir` holds its checkpoints.

    Writes config.json, environment.json, metrics.jsonl, TensorBoard events, checkpoints and, at the end,
    results.json and the learning curves. The parameters and rows after a kill and a restart are bitwise
    those without it, except for rates.

    With `config.init.weights` a new run starts from that file, once: a run that is continued does not read it.

    Every process of a job calls this with the same config and `workdir`, which all of them reach; process 0
    writes the files, of checkpoints each process the parts that it holds.

    Args:
      config: the experiment.
      workdir: the run directory.
      mesh: where to compute; default: what `config.mesh` makes of all devices.
      stream: where process 0 prints progress; default: standard error.

    Returns:
      `validation/loss`, `validation/top1`, `validation/top5`, `validation/images`, `steps`, and `seconds` of
      training, validation and saving over all starts. Those on disk if the run has finished before.

    Raises:
      ConfigError: the config cannot be run on these devices with these images.
      BadCheckpoint: the weights file of `config.init` cannot be read.
      DataError: images cannot be read.
      RunDirectoryError: `workdir` cannot be written, holds another experiment, or another job trains in it.
      CheckpointError: a checkpoint could not be written.
      NonFiniteLoss: training diverged.
      Interrupted: SIGTERM or SIGINT came to any process; everything is saved.
      Mismatch: the processes do not run the same.
      PeerFailed: another process failed.
      PeerLost: another process stalled or died.
    """
    workdir = Path(workdir)
    with ExitStack() as stack:
        job = stack.enter_context(Job(config.mesh.wait_limit))
        config, changes = with_weights_file(config, workdir)
        experiment = build_experiment(config, mesh or mesh_of(config))
        job.require_same(facts(experiment))
        begun = any(path.name.isdigit() for path in (workdir / "checkpoints").glob("*"))
        initial = read_initial(config, experiment.network) if config.init.weights and not begun else None
        run_directory.prepare(workdir, config)
        if results := job.from_first("results", run_directory.read_results(workdir)):
            return results
        if job.first:
            stack.enter_context(locked(workdir))
            run_directory.record(workdir, config)
        else:
            stream = stack.enter_context(Path(os.devnull).open("w"))
        for change in changes:
            print(change, file=stream or sys.stderr)
        interruption = stack.enter_context(Interruption())
        checkpoints = stack.enter_context(Checkpoints(workdir, config, experiment.train_source.class_names, job=job))
        results = _Run(experiment, workdir, job, checkpoints, interruption, stream, stack, initial).finish()
        if job.first:
            run_directory.write_json(workdir / "results.json", results)
            with run_directory.writing(workdir):
                plot_run(workdir)
        return results


class _Run:
    """One start of a run: what the loop's parts share."""

    def __init__(
        self,
        experiment: Experiment,
        workdir: Path,
        job: Job,
        checkpoints: Checkpoints,
        interruption: Interruption,
        stream: TextIO | None,
        stack: ExitStack,
        initial: Flat | None,
    ) -> None:
        config, mesh = experiment.config, experiment.mesh
        self.experiment, self.workdir = experiment, workdir
        self.job, self.checkpoints, self.interruption = job, checkpoints, interruption
        self.batches = train_iterator(experiment.train_source, config, process_index=job.index, process_count=job.count)
        self.started, self.unreadable_before = time.monotonic(), 0
        network, optimizer = experiment.network, experiment.optimizer
        abstract = abstract_state(network, config, optimizer, mesh)
        if restored := checkpoints.restore(abstract):
            self.state = restored.state
            self.batches.set_state(restored.data["iterator"])
            self.started -= restored.data["seconds"]
            self.unreadable_before = restored.data.get("unreadable", 0)
        else:
            self.state = init_state(network, config, optimizer, mesh)
            if config.init.weights:
                self.state = start_from(self.state, initial or read_initial(config, network))
        self.step = int(self.state.step)
        if restored:
            print(f"resuming after step {self.step} from {checkpoints.path(self.step)}", file=stream or sys.stderr)
        self.evaluator = Evaluator(network, experiment.eval_source, config, mesh)
        # Compiled here, so that no rate counts it, and a batch of another shape fails instead of compiling again.
        self.train_step = lower_train_step(network, config, optimizer, experiment.schedule, mesh).compile()
        stale = self.state.replicas is not None
        self.no_metrics = jax.jit(functools.partial(Metrics.zeros, stale=stale), out_shardings=replicated(mesh))
        with run_directory.writing(workdir):
            writer = MetricWriter(workdir, resume_step=self.step, active=job.first)
            self.writer = stack.enter_context(writer)
        self.progress = stack.enter_context(
            Progress(experiment.total_steps, first_step=self.step, images_per_step=config.batch_size, stream=stream)
        )
        self.validation: dict[str, float | int] | None = None
        self.row: tuple[int, Metrics, dict[str, jax.Array], int] | None = None

    def finish(self) -> dict[str, Any]:
        """Trains to the end and returns the results."""
        if self.step and self._due(self.experiment.config.evaluation.every_epochs) and not self._validated():
            self._validate()  # the start before this one was stopped during it
        in_flight: deque[jax.Array] = deque()
        while self.step < self.experiment.total_steps:
            with self.progress.waiting_for_data():
                self._stop_if_asked()
                batch = put_batch(next(self.batches), self.experiment.mesh)
            self.state, metrics = self.train_step(self.state, batch)
            self.step += 1
            # The device works on this step while the host decodes the next batch, but never further behind.
            in_flight.append(metrics["loss"])
            if len(in_flight) > _MAX_IN_FLIGHT:
                in_flight.popleft().block_until_ready()
            self._write_row()
            if self._last() or self.step % self.experiment.config.log.every_steps == 0:
                now = {name: metrics[name] for name in ("learning_rate", "simulated_time") if name in metrics}
                self.row = self.step, self.state.metrics, now, self._unreadable()
                self.state = self.state.replace(metrics=self.no_metrics())
            self._validate_and_save()
        self._stop_if_asked()
        self.checkpoints.wait()
        assert self.validation is not None
        return {
            **{f"validation/{name}": value for name, value in self.validation.items()},
            "steps": self.step,
            "seconds": time.monotonic() - self.started,
        }

    def _validated(self) -> bool:
        """Whether metrics.jsonl has the validation of the restored step; it becomes `self.validation`."""
        found: dict[str, float | int] | None = None
        for row in read_metrics(self.workdir / METRICS_FILE):
            if row["step"] == self.step and "validation/top1" in row:
                prefix = "validation/"
                found = {name.removeprefix(prefix): row[name] for name in row if name.startswith(prefix)}
        # Process 0 is cutting that file back meanwhile.
        self.validation = self.job.from_first("validation", found)
        return self.validation is not None

    def _last(self) -> bool:
        return self.step == self.experiment.total_steps

    def _due(self, every_epochs: float) -> bool:
        config, images = self.experiment.config, len(self.experiment.train_source)
        every = in_steps(every_epochs, images, config.batch_size)
        return self._last() or bool(every and self.step % every == 0)

    def _validate_and_save(self) -> None:
        config = self.experiment.config
        validating = self._due(config.evaluation.every_epochs)
        self.validation = None
        if validating:
            self._validate()
        if self._due(config.checkpoint.every_epochs) or (validating and config.checkpoint.keep_best):
            self._save()

    def _validate(self) -> None:
        self._write_row()
        try:
            with self.progress.paused():
                self.validation = self.evaluator(self.state.variables(), on_batch=self._leave_if_asked)
        except StopRequested:
            return  # the next start validates
        values = {f"validation/{name}": value for name, value in self.validation.items()}
        if self.state.clock:  # so that accuracy can be drawn against it
            values["train/simulated_time"] = float(self.state.clock.reading())
        self._write(values, self.step)

    def _save(self) -> None:
        self._write_row()
        self._require_finite(self.state.metrics)
        with self.progress.paused():
            data = {
                "iterator": self.batches.get_state(),
                "seconds": time.monotonic() - self.started,
                "unreadable": self._unreadable(),
            }
            self.checkpoints.save(self.state, data, self.validation)

    def _leave_if_asked(self) -> None:
        if self._agreed_signal():
            raise StopRequested

    def _stop_if_asked(self) -> None:
        if signum := self._agreed_signal():
            self._save()
            self.checkpoints.wait()
            raise Interrupted(signum, self.step, self.checkpoints.path(self.step))

    def _agreed_signal(self) -> signal.Signals | None:
        return self.job.meet(f"the start of step {self.step + 1}", self.interruption.signal)

    def _unreadable(self) -> int:
        """How often an unreadable image was replaced, in the batches of all processes since the run began."""
        return self.unreadable_before + sum(self.job.exchange("unreadable images", self.batches.replaced))

    def _write_row(self) -> None:
        """Writes the row that is waiting, if any; called a step late, so that the device is not kept waiting."""
        if self.row is None:
            return
        (step, *arrays, unreadable), self.row = self.row, None
        sums, now = jax.device_get(arrays)
        self._require_finite(sums)
        rates = self.progress.rates()
        values = {
            "train/loss": float(sums.loss) / int(sums.steps),
            "train/top1": int(sums.top1) / int(sums.examples),
            "train/top5": int(sums.top5) / int(sums.examples),
            **{f"train/{name}": float(value) for name, value in now.items()},
            "train/gradient_norm": float(sums.gradient_norm) / int(sums.steps),
            "train/images_per_second": rates["images_per_second"],
            "train/data_wait_share": rates["data_wait_share"],
            "data/unreadable": unreadable,
        }
        if sums.staleness is not None:
            values["train/staleness"] = int(sums.staleness) / int(sums.steps)
            values["train/staleness_max"] = int(sums.oldest)
        self._write(values, step)

    def _write(self, values: dict[str, float | int], step: int) -> None:
        with run_directory.writing(self.workdir):
            self.writer.write(step, values)
        self.progress.line(step, values)

    def _require_finite(self, sums: Metrics) -> None:
        if (step := int(sums.bad_step)) < 0:
            return
        self.checkpoints.wait()
        steps = self.checkpoints.steps()
        last = f"the last good checkpoint is {self.checkpoints.path(steps[-1])}" if steps else "no checkpoint was saved"
        learning_rate = float(jnp.asarray(self.experiment.schedule(step - 1)))
        self._write({"train/learning_rate": learning_rate, "train/diverged": 1.0}, step)  # what a report goes by
        raise NonFiniteLoss(
            f"step {step} gave a loss, gradient or parameter that is not finite, at learning rate "
            f"{learning_rate:g}; {last}. Lower config.optimizer.learning_rate, lengthen "
            "config.schedule.warmup_epochs or set config.optimizer.clip_norm"
        )
