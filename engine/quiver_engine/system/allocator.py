"""How the C library's allocator keeps memory that was freed."""

import ctypes
from collections.abc import Callable

from quiver_engine.system import headroom

# Parameters of mallopt, as glibc's malloc.h numbers them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 32 << 20
"""As much as glibc takes for it."""
_SPARE_BYTES = 16 << 20
"""Of each arena: glibc gives the end of one back by nothing else than this."""
_GROWN_BYTES = 64 << 20


def _function(name: str) -> Callable[..., object] | None:
    # Only glibc has them; others' allocators are left as they are.
    found: Callable[..., object] | None = getattr(ctypes.CDLL(None), name, None)
    return found


def reuse_blocks() -> None:
    """From now on keep freed blocks of less than 32 MiB for the next ones.

    Each page that comes from the operating system is cleared first, which takes longer than what
    is done with it in an insert. What is spare goes back at once beyond 16 MiB in a row, and by
    Trimming.
    """
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _SPARE_BYTES)


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
