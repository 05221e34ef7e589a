"""How the C library's allocator keeps memory that was freed."""

import ctypes
from collections.abc import Callable

from quiver_engine import headroom

_LARGE_BYTES = 1 << 20
_M_MMAP_THRESHOLD = -3
_GROWN_BYTES = 64 << 20


def _function(name: str) -> Callable[..., object] | None:
    # Only glibc has them; others' allocators are left as they are.
    found: Callable[..., object] | None = getattr(ctypes.CDLL(None), name, None)
    return found


def return_large_blocks() -> None:
    """From now on give blocks of 1 MiB and more back to the operating system when they are freed.

    By default glibc keeps blocks of up to 32 MiB once some of that size were freed, for each
    thread its own.
    """
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


class Trimming:
    """Gives memory back each time the process has grown, for most of it may be free again."""

    def __init__(self) -> None:
        self._level = headroom.anonymous_bytes()

    def look(self) -> None:
        """To be called now and then."""
        now = headroom.anonymous_bytes()
        if now > self._level + _GROWN_BYTES:
            return_free_memory()
            now = headroom.anonymous_bytes()
        elif now > self._level:
            return
        self._level = now


def return_free_memory() -> None:
    """Give what is free between smaller blocks back as well."""
    if (malloc_trim := _function("malloc_trim")) is not None:
        malloc_trim(0)
