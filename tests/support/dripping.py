"""HTTP clients that send their requests a byte at a time and never end them."""

import itertools
import socket
import threading
from typing import Self

DRIP_S = 0.2
TOO_SLOW_S = 10.0


class DrippingClients:
    """`number` connections to HOST:PORT; use it as a context."""

    def __init__(self, address: str, number: int) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._number = number
        self._connections: list[socket.socket] = []
        self._left = threading.Event()
        self._dripper = threading.Thread(target=self._drip, daemon=True)

    def __enter__(self) -> Self:
        self._dripper.start()
        for _ in range(self._number):
            connection = socket.create_connection(self._address, TOO_SLOW_S)
            connection.setblocking(False)
            self._connections.append(connection)
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._dripper.join()
        for connection in self._connections:
            connection.close()

    @property
    def connected(self) -> int:
        """How many connections the server has not closed."""
        return sum(map(_is_open, list(self._connections)))

    def _drip(self) -> None:
        for byte in itertools.chain(b"GET /healthz HTTP/1.1\r\n", itertools.cycle(b"X: y\r\n")):
            for connection in list(self._connections):
                _send(connection, byte)
            if self._left.wait(DRIP_S):
                return


def _send(connection: socket.socket, byte: int) -> None:
    try:
        connection.send(bytes([byte]))
    except OSError:
        return


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
