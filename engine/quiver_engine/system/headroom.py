"""How much memory the process has, and how much it may take before the kernel kills it."""

import os
import re
import resource
import time
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_CACHE = re.compile(r"^inactive_file (\d+)$", re.MULTILINE)
_FRESH_S = 0.1
_UNKNOWN = 1 << 62


def anonymous_bytes() -> int:
    """Return the bytes that the process has in memory, without pages of files."""
    _, resident, of_files, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(of_files)) * resource.getpagesize()


def total_bytes() -> int:
    """Return the bytes of the machine or of the container's limit, whichever are fewer."""
    machine = os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
    except OSError:
        return machine
    return machine if limit == "max" else min(machine, int(limit))


class _Reading:
    until = 0.0
    value = 0


def available_bytes() -> int:
    """Return the bytes left on the machine or in the container, whichever are fewer.

    The figure is up to a tenth of a second old.
    """
    now = time.monotonic()
    if now >= _Reading.until:
        _Reading.value, _Reading.until = _read(), now + _FRESH_S
    return _Reading.value


def _read() -> int:
    found = _AVAILABLE.search(_MEMINFO.read_text())
    machine = int(found[1]) * 1024 if found else _UNKNOWN
    return min(machine, _left_in_container())


def _left_in_container() -> int:
    """Read the files of cgroup v2, which in a container are those of the container."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        cache = _CACHE.search((_CGROUP / "memory.stat").read_text())
    except OSError:
        return _UNKNOWN
    if limit == "max":
        return _UNKNOWN
    return int(limit) - used + (int(cache[1]) if cache else 0)
