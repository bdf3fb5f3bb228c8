"""SIGTERM and Ctrl-C: noticed at once, acted upon between two steps."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any


class Interrupted(Exception):
    """Training was asked to stop, saved and stopped; starting it again continues it.

    Attributes:
      signal: what asked; a shell expects the exit code 128 + signal.
      step: updates made.
      checkpoint: where they are saved.
    """

    def __init__(self, signum: signal.Signals, step: int, checkpoint: Path) -> None:
        super().__init__(
            f"stopped by {signum.name} after step {step}, saved in {checkpoint}; run the same command again to resume"
        )
        self.signal, self.step, self.checkpoint = signum, step, checkpoint


class StopRequested(Exception):
    """Raised to leave work that can be done again."""


class Interruption:
    """Context in which the first SIGTERM or SIGINT only sets `signal`; a second Ctrl-C interrupts as usual.

    The previous handlers come back at the end. Outside the main thread, where Python handles no signals,
    this does nothing.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
