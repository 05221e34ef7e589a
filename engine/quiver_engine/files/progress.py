"""How far the recovery at the start has come: for /readyz, and every few seconds in the log."""

import logging
import time
from collections.abc import Callable

from quiver_engine.model import MIB

logger = logging.getLogger(__name__)

LOG_S = 5.0


class Progress:
    """The thread that opens the data directory counts it up; any thread reads it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_line = clock() + LOG_S
        self._segments = self._verified = self._log_bytes = self._replayed = 0

    def expect_segments(self, count: int) -> None:
        self._segments = count

    def expect_log(self, size: int) -> None:
        """`size` is in bytes."""
        self._log_bytes = size

    def reading(self, _bytes: int = 0) -> None:
        """Note that part of a segment was read; log the progress if the last line is old enough."""
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + LOG_S
            logger.info("%s", self)

    def verified(self) -> None:
        """Note that one more segment was verified, or found damaged."""
        self._verified += 1
        self.reading()

    def replayed(self, size: int) -> None:
        """Note that the first `size` bytes of the log were replayed."""
        self._replayed = size
        self.reading()

    def __str__(self) -> str:
        return (
            f"recovering: {self._verified} of {self._segments} segments verified,"
            f" {self._replayed / MIB:.1f} of {self._log_bytes / MIB:.1f} MiB"
            " of the insert log replayed"
        )
