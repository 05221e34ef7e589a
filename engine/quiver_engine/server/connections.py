"""Bounds how many connections a server with a thread for each has open, and for how long."""

import socket
import threading
import time
from contextlib import suppress


class Connections:
    """The open connections that are not shut down yet, oldest first.

    Shutting one down ends whatever its thread waits for: the request's bytes, or a client that does
    not read the answer.
    """

    def __init__(self, most: int, longest_s: float) -> None:
        self._longest_s = longest_s
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._opened: dict[socket.socket, float] = {}

    def admit(self, connection: socket.socket, patience_s: float) -> bool:
        """Make room by shutting the oldest connection down. Return False where its thread, and each
        of the others, takes longer than `patience_s` to end.
        """
        if not self._free.acquire(blocking=False):
            self._shut_down_oldest()
            if not self._free.acquire(timeout=patience_s):
                return False
        with self._lock:
            self._opened[connection] = time.monotonic()
        return True

    def ended(self, connection: socket.socket) -> None:
        with self._lock:
            self._opened.pop(connection, None)
        self._free.release()

    def shut_down_overdue(self) -> None:
        """Shut down every connection that has been open for too long."""
        with self._lock:
            until = time.monotonic() - self._longest_s
            for connection in [c for c, opened in self._opened.items() if opened <= until]:
                self._shut_down(connection)

    def _shut_down_oldest(self) -> None:
        with self._lock:
            if self._opened:
                self._shut_down(next(iter(self._opened)))

    def _shut_down(self, connection: socket.socket) -> None:
        del self._opened[connection]
        with suppress(OSError):  # the client may have left
            connection.shutdown(socket.SHUT_RDWR)
