"""Metrics on disk: `metrics.jsonl` is the source of truth, TensorBoard event files are a view of it."""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tensorboardX.event_file_writer import EventsWriter

# Protobuf makes these classes at import, where no type checker sees them.
from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

from inception_jax.reporting.values import plain

METRICS_FILE = "metrics.jsonl"


class MetricWriter:
    """Appends rows of scalars to `workdir/metrics.jsonl` and to a new TensorBoard event file.

    A row is one line, `{"step": int, name: number, ...}`, on disk when `write` returns. A value that is not finite is
    written as null there and as itself for TensorBoard.

    Args:
      workdir: the run's directory; made if absent.
      resume_step: the updates that the restored state has seen. Rows of later steps belong to a stretch that is about
        to run again: they are dropped from `metrics.jsonl`, and TensorBoard is told to hide them.
      active: False on every process but one; then nothing is read or written.

    Raises:
      OSError: from here, `write` or `close`, where the file system refuses.
      ValueError: where `metrics.jsonl` is not one that this class wrote.
    """

    def __init__(self, workdir: str | os.PathLike[str], *, resume_step: int = 0, active: bool = True) -> None:
        self._files = contextlib.ExitStack()
        self._active = active
        if not active:
            return
        workdir = Path(workdir)
        workdir.mkdir(parents=True, exist_ok=True)
        path = workdir / METRICS_FILE
        if path.exists():
            _drop_rows_after(path, resume_step)
        with self._files:  # undone unless all of it succeeds
            # Unbuffered: a kill loses no row, and after a full disk nothing is left over to fail again in `close`.
            self._rows = self._files.enter_context(path.open("ab", buffering=0))
            # Not SummaryWriter: its thread dies of a full disk in silence, and the run then hangs on its queue.
            # The suffix keeps two starts within one second apart, in order.
            self._events = EventsWriter(str(workdir / "events"), f".{time.time_ns()}")
            self._files.callback(self._events.close)
            start = SessionLog(status=SessionLog.START)
            self._events.write_event(Event(wall_time=time.time(), step=resume_step + 1, session_log=start))
            self._events.flush()
            self._files = self._files.pop_all()

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes one row of scalars (Python numbers, or arrays of shape []) measured after update `step`."""
        if not self._active:
            return
        if "step" in values:
            raise ValueError(f"a metric cannot be named 'step' (row of step {step}): the row's own step has that name")
        scalars = [Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
        row = {"step": int(step)} | {name: plain(value) for name, value in values.items()}
        line = memoryview(json.dumps(row, allow_nan=False).encode() + b"\n")
        while line:
            line = line[self._rows.write(line) :]
        self._events.write_event(Event(wall_time=time.time(), step=int(step), summary=Summary(value=scalars)))
        self._events.flush()

    def close(self) -> None:
        """Closes both files; a second call does nothing."""
        self._files.close()

    def __enter__(self) -> "MetricWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`, in file order; a last line that a kill cut short is left out.

    Raises:
      OSError: where the file cannot be read.
      ValueError: naming the file and the line that is no row.
    """
    lines = Path(path).read_bytes().split(b"\n")
    complete, rest = lines[:-1], lines[-1]
    rows = [_row(line, path, number) for number, line in enumerate(complete, 1)]
    if rest:
        with contextlib.suppress(ValueError):
            rows.append(_row(rest, path, len(lines)))
    return rows


def _row(line: bytes, path: str | os.PathLike[str], number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not isinstance(row.get("step"), int):
        start = line[:60].decode(errors="replace")
        raise ValueError(f'{path}, line {number}: not a row such as {{"step": 1, "train/loss": 0.5}}, got {start!r}')
    return row


def _drop_rows_after(path: Path, step: int) -> None:
    kept = [row for row in read_metrics(path) if row["step"] <= step]
    content = "".join(json.dumps(row) + "\n" for row in kept).encode()
    if content == path.read_bytes():
        return
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
