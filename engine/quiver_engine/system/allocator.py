"""Settings of the C library's allocator: how much freed memory it keeps."""

import ctypes
from collections.abc import Callable

from quiver_engine.system import headroom

# Parameters of mallopt, as glibc's malloc.h numbers them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 32 << 20
"""The most that glibc allows."""
_SPARE_BYTES = 16 << 20
"""Of each arena. Nothing else makes glibc return the end of an arena."""
_GROWN_BYTES = 64 << 20


def _function(name: str) -> Callable[..., object] | None:
    # Only glibc has these functions. Other allocators keep their defaults.
    found: Callable[..., object] | None = getattr(ctypes.CDLL(None), name, None)
    return found


def reuse_blocks() -> None:
    """From now on keep freed blocks of less than 32 MiB, and reuse them.

    The operating system clears each page that it hands out, which takes longer than what an insert
    does with it. More than 16 MiB that are free in a row go back at once, the rest by Trimming.
    """
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _SPARE_BYTES)


class Trimming:
    """Returns free memory each time the process has grown: most of the growth may be free again.
    And when something was dropped, twice: calls under way may have held it a moment longer.
    """

    def __init__(self) -> None:
        self._level = headroom.anonymous_bytes()
        self._was_dropped = False

    def look(self, *, dropped: bool = False) -> None:
        """Return free memory if something was `dropped` since the last look, or the process has
        grown enough. Call it every second or so.
        """
        now, just_before = headroom.anonymous_bytes(), self._was_dropped
        self._was_dropped = dropped
        if dropped or just_before or now > self._level + _GROWN_BYTES:
            return_free_memory()
            now = headroom.anonymous_bytes()
        elif now > self._level:
            return
        self._level = now


def return_free_memory() -> None:
    """Return all free memory to the operating system, also what lies between blocks in use."""
    if (malloc_trim := _function("malloc_trim")) is not None:
        malloc_trim(0)
