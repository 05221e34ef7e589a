"""System calls that Python 3.11 has no names for."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_BIND = 0x1000
MS_REC = 0x4000
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """The system call `mount`. Raises OSError with what was to be mounted where."""
    status = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot mount {source} on {target}: {os.strerror(number)}")


def bind(source: str, target: Path) -> None:
    """Show `source`, and what is mounted below it, at `target` too."""
    mount(source, target, flags=MS_BIND | MS_REC)


def unmount(target: Path) -> None:
    """The system call `umount`. Raises OSError."""
    if _libc.umount2(os.fsencode(target), 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot unmount {target}: {os.strerror(number)}")
