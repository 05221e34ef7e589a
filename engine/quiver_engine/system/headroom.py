"""How much memory the process has, and may still take before the kernel ends it."""

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
    """Return what the process has in memory beside pages of files."""
    _, resident, of_files, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(of_files)) * resource.getpagesize()


class _Reading:
    until = 0.0
    value = 0


def available_bytes() -> int:
    """Return what is left on the machine and in the container, as it was a moment ago."""
    now = time.monotonic()
    if now >= _Reading.until:
        _Reading.value, _Reading.until = _read(), now + _FRESH_S
    return _Reading.value


def _read() -> int:
    found = _AVAILABLE.search(_MEMINFO.read_text())
    machine = int(found[1]) * 1024 if found else _UNKNOWN
    return min(machine, _left_in_container())


def _left_in_container() -> int:
    """By cgroup v2's files; those of a container are its own."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        cache = _CACHE.search((_CGROUP / "memory.stat").read_text())
    except OSError:
        return _UNKNOWN
    if limit == "max":
        return _UNKNOWN
    return int(limit) - used + (int(cache[1]) if cache else 0)
