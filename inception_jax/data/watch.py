"""Waits for readers no longer than allowed, and says on which records they are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from inception_jax.data.records import DataError, Source

_log = logging.getLogger(__name__)
_WARN_AFTER = 60.0  # seconds; with a lower limit a tenth of that
_NAMED = 5

T = TypeVar("T")


class ReaderStalled(DataError):
    """Readers that do not come back."""

    leaves_threads = True


class Watch:
    """What every reading thread is doing.

    Args:
      source: whose records are read.
      limit: seconds that a batch may take; 0: for ever.
    """

    def __init__(self, source: Source, limit: float) -> None:
        self._source, self._limit = source, limit
        self._busy: dict[int, tuple[int, float]] = {}  # thread -> (index in the source, since)

    @contextmanager
    def reading(self, index: int) -> Iterator[None]:
        """A thread declares that inside it reads and decodes this record of the source."""
        thread = threading.get_ident()
        self._busy[thread] = index, time.monotonic()
        try:
            yield
        finally:
            del self._busy[thread]

    def wait_for(self, fetch: Callable[[], T]) -> T:
        """Returns `fetch()`, with a warning in the log if it takes long.

        Raises:
          ReaderStalled: it took longer than the limit.
        """
        outcome: Future[Any] = Future()

        def run() -> None:
            try:
                outcome.set_result(fetch())
            except BaseException as error:
                outcome.set_exception(error)

        # A daemon, as the fetch may never end.
        threading.Thread(target=run, name="next-batch", daemon=True).start()
        start, patience = time.monotonic(), min(_WARN_AFTER, self._limit / 10 or _WARN_AFTER)
        while not wait([outcome], timeout=patience).done:
            waited = time.monotonic() - start
            if self._limit and waited >= self._limit:
                raise ReaderStalled(
                    f"no batch came for {self._limit:g} s (config.data.timeout): {self._state()}; check the disk or "
                    "network that holds the data, or allow more time"
                )
            _log.warning("no batch for %.0f s: %s", waited, self._state())
            patience = min(waited, self._limit - waited) if self._limit else waited
        return outcome.result()

    def _state(self) -> str:
        now = time.monotonic()
        busy = sorted(self._busy.copy().values(), key=lambda item: item[1])
        if not busy:
            return "no reader is at work"
        named = [f"{self._source.name_of(index)} for {now - since:.0f} s" for index, since in busy[:_NAMED]]
        more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
        return f"{len(busy)} reading: {', '.join(named)}{more}"
