"""The line that a person watches while a network trains."""

import contextlib
import datetime
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TextIO

ERASE_TO_END = "\x1b[K"


class Progress:
    """Measures where the time of a loop goes, and prints it.

    Every update of the loop takes its batch inside `waiting_for_data`: that is what counts updates. Work that is not
    training (evaluation, checkpoints) happens inside `paused`, and no rate or estimate counts it.

    On a terminal the line of a training row is rewritten in place; `close`, or leaving the `with` block, ends it.
    Elsewhere, and for other rows (`validation/...`), each is a line of its own.

    Args:
      total_steps: updates of the whole run.
      first_step: updates already done when this process starts.
      unit: what the line calls an update.
      images_per_step: images of one update, over all hosts.
      stream: where lines go; None is standard error.
      clock: seconds, never running backwards.
    """

    def __init__(
        self,
        total_steps: int,
        *,
        first_step: int = 0,
        unit: str = "step",
        images_per_step: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._done, self._unit, self._images = total_steps, first_step, unit, images_per_step
        self._line = _Line(stream)
        self._clock = clock
        self._pauses = 0.0
        self._waited = 0.0
        self._eta = math.inf
        self._interval_start, self._interval_first = self._now(), first_step

    def _now(self) -> float:
        return self._clock() - self._pauses

    @contextlib.contextmanager
    def waiting_for_data(self) -> Iterator[None]:
        """Times the wait for one batch; without an exception it counts as one update."""
        start = self._now()
        try:
            yield
        finally:
            self._waited += self._now() - start
        self._done += 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps what happens inside out of every rate; may be nested."""
        start, before = self._clock(), self._pauses
        try:
            yield
        finally:
            self._pauses = before + self._clock() - start  # assigned, so an inner pause counts once

    def rates(self) -> dict[str, float]:
        """Rates since the last call, and starts a new interval.

        Returns:
          `images_per_second`; `data_wait_share`, the share of time in `waiting_for_data` (0 to 1); `eta_seconds`, the
          time that the updates left take at this interval's speed, pauses left out (infinite after no update).
        """
        now = self._now()
        elapsed, steps = now - self._interval_start, self._done - self._interval_first
        wait = self._waited
        self._interval_start, self._interval_first, self._waited = now, self._done, 0.0
        self._eta = elapsed / steps * (self._total - self._done) if steps else math.inf
        return {
            "images_per_second": steps * self._images / elapsed if elapsed else 0.0,
            "data_wait_share": wait / elapsed if elapsed else 0.0,
            "eta_seconds": self._eta,
        }

    def line(self, step: int, values: Mapping[str, float]) -> None:
        """Prints one row; the names are those of `metrics.jsonl`, and the estimate is that of the last `rates`."""
        training = any(name.startswith("train/") for name in values)
        parts = [f"{self._unit} {step:>{len(f'{self._total:,}')},}/{self._total:,}"]
        parts += [_FORMATS[name](value) for name, value in values.items() if name in _FORMATS]
        if training and step < self._total and math.isfinite(self._eta):
            parts.append(f"ETA {datetime.timedelta(seconds=round(self._eta))}")
        self._line.print("  ".join(parts), rewrite=training and self._line.on_terminal)

    def close(self) -> None:
        """Ends a line that is still being rewritten; a second call does nothing."""
        self._line.close()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EvaluationProgress:
    """Prints how many images of an evaluation are done, how fast, and when it ends.

    On a terminal one line is rewritten; elsewhere a line appears at most every half minute. `finish` prints the rates
    of the whole. The first batch also compiles, so rates count from its end, unless nothing follows.

    Args:
      images: of the whole evaluation.
      views: of each image that pass through the network.
      stream: where lines go; None is standard error.
      clock: seconds, never running backwards.
    """

    def __init__(
        self,
        images: int,
        *,
        views: int = 1,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._views, self._clock = images, views, clock
        self._line = _Line(stream)
        self._done = self._uncounted = 0
        self._began = self._start = self._printed = clock()

    def update(self, images: int) -> None:
        """Counts the images of a batch that is done, without padding."""
        now = self._clock()
        if not self._done and images < self._total:
            self._uncounted, self._start = images, now
        self._done += images
        every = 0.2 if self._line.on_terminal else 30.0
        if now - self._printed < every or self._done == self._total:
            return
        self._printed = now
        parts = [f"{self._done:,}/{self._total:,} images"]
        if rate := self._rate(now):
            left = datetime.timedelta(seconds=round((self._total - self._done) / rate))
            parts += [self._rates(rate), f"ETA {left}"]
        self._line.print("  ".join(parts), rewrite=self._line.on_terminal)

    def finish(self) -> None:
        """Prints the time and the rates of the whole."""
        now = self._clock()
        rates = self._rates(self._rate(now))
        self._line.print(f"{self._done:,} images in {now - self._began:,.1f} s  {rates}", rewrite=False)

    def _rate(self, now: float) -> float:
        seconds = now - self._start
        return (self._done - self._uncounted) / seconds if seconds > 0 else 0.0

    def _rates(self, rate: float) -> str:
        views = f"  {_short(rate * self._views)} views/s" if self._views > 1 else ""
        return f"{_short(rate)} images/s{views}"

    def __enter__(self) -> "EvaluationProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


class _Line:
    """The last line of a stream, which can be written again while it is open."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._open = False

    @property
    def on_terminal(self) -> bool:
        return self._stream.isatty()

    def print(self, text: str, *, rewrite: bool) -> None:
        if rewrite:
            # A line that wraps cannot be rewritten.
            text = text[: shutil.get_terminal_size().columns - 1]
        start = f"\r{ERASE_TO_END}" if self._open else ""
        self._stream.write(start + text + ("" if rewrite else "\n"))
        self._stream.flush()
        self._open = rewrite

    def close(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._stream.flush()
            self._open = False


_FORMATS: dict[str, Callable[[float], str]] = {
    "train/loss": "loss {:.4f}".format,
    "train/top1": "top-1 {:.1%}".format,
    "train/learning_rate": "lr {:.3g}".format,
    "train/images_per_second": "{:,.0f} images/s".format,
    "train/data_wait_share": "data wait {:.0%}".format,
    "validation/loss": "validation loss {:.4f}".format,
    "validation/top1": "top-1 {:.2%}".format,
    "validation/top5": "top-5 {:.2%}".format,
    "validation/images": "of {:,.0f} images".format,
}
