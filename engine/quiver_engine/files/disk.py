"""The disk of the data directory: how much room it has, and whether it counts as full."""

import errno
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from quiver_engine.errors import DiskIsFull
from quiver_engine.model import MIB

logger = logging.getLogger(__name__)

RESERVE = 16 * MIB
"""Bytes that inserts leave free, since what frees room needs some: a drop is a commit."""
RESERVED_SHARE = 16
"""Of a small disk no more than this part of it is left free."""
REFUSAL_COUNTS_S = 10.0
"""Flushes are tried each second: a disk that refuses them does not count as having room between."""


class Room(NamedTuple):
    """Bytes of the disk: those that the engine may still write, and all."""

    free: int
    total: int

    def __str__(self) -> str:
        return f"{self.free / MIB:.0f} of {self.total / MIB:.0f} MiB are free"


class Disk:
    """Counts as full while little is free, and for some seconds after it has refused a write.

    File systems refuse for reasons that their free bytes do not show, such as quotas. The log tells
    once when the disk fills up and once when there is room again.
    """

    def __init__(self, directory: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._now = now
        self._lock = threading.Lock()
        self._has_little = False
        self._refused_at = -math.inf
        self.is_full = False

    @property
    def room(self) -> Room:
        found = os.statvfs(self._directory)
        return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def check(self) -> None:
        """Raise DiskIsFull where little is free."""
        self.look()
        if self._has_little:
            raise DiskIsFull

    def check_for(self, size: int) -> None:
        """Raise DiskIsFull where `size` bytes would use up what inserts leave free.

        What can wait must not fill the disk until it fails: inserts would be refused meanwhile.
        """
        room = self.room
        if room.free - _reserve(room) < size:
            raise DiskIsFull

    def refused(self) -> DiskIsFull:
        """Note that a write found no room; return the refusal of what wanted it."""
        self._refused_at = self._now()
        self.look()
        return DiskIsFull()

    def look(self) -> None:
        """Find out whether the disk is full."""
        room = self.room
        with self._lock:
            reserve = _reserve(room)
            had_little = self._has_little
            # Twice as much ends it, so that a flush that frees a little changes nothing.
            self._has_little = room.free < (2 * reserve if had_little else reserve)
            if had_little and not self._has_little:
                self._refused_at = -math.inf  # why it refused is known, and over
            was_full, is_refused = self.is_full, self._now() - self._refused_at < REFUSAL_COUNTS_S
            self.is_full = self._has_little or is_refused
        if self.is_full and not was_full:
            logger.warning(
                "the disk of %s is full (%s): inserts are refused, searches go on; enlarge the"
                " volume or drop collections",
                self._directory,
                room,
            )
        elif was_full and not self.is_full:
            logger.warning("the disk of %s has room again (%s)", self._directory, room)


def _reserve(room: Room) -> int:
    return min(RESERVE, room.total // RESERVED_SHARE)


def is_full(error: OSError) -> bool:
    """Return whether a write failed for want of room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
