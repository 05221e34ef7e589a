"""Serves /healthz, /readyz and /metrics over HTTP, and keeps the state behind /readyz."""

import logging
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from quiver_engine.errors import StartError
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.server.connections import Connections

logger = logging.getLogger(__name__)

_MAX_CONNECTIONS = 32
_CONNECTION_S = 5.0
"""How long a connection lasts, from its beginning to the end of the answer."""
_EVICTION_S = 1.0


class Readiness:
    """Whether calls can be served, and a line about it that is made for each request."""

    def __init__(self) -> None:
        self.not_ready(lambda: "starting: the data directory is being opened")

    def ready(self, line: Callable[[], str]) -> None:
        self._now = HTTPStatus.OK, line

    def not_ready(self, why: Callable[[], str]) -> None:
        self._now = HTTPStatus.SERVICE_UNAVAILABLE, why

    def answer(self) -> tuple[HTTPStatus, str]:
        status, line = self._now
        return status, line()


class HealthServer:
    """Serves from threads of its own until the process ends; `port` is the port that it bound."""

    def __init__(self, host: str, port: int, readiness: Readiness, metrics: Metrics) -> None:
        """Bind and serve; raises StartError when it cannot bind."""
        try:
            self._server = _Server(host, port, readiness, metrics)
        except OSError as error:
            raise StartError(
                f"cannot serve HTTP on {host}:{port}: {error.strerror};"
                " choose another address with --http"
            ) from error
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, readiness: Readiness, metrics: Metrics) -> None:
        self.readiness = readiness
        self.metrics = metrics
        self._connections = Connections(_MAX_CONNECTIONS, _CONNECTION_S)
        self.address_family = AF_INET6 if ":" in host else AF_INET
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.admit(request, _EVICTION_S):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.ended(request)

    def service_actions(self) -> None:
        """Called twice a second and after each new connection."""
        self._connections.shut_down_overdue()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - inherited
        logger.warning("HTTP connection from %s broke off: %s", client_address, sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(HTTPStatus.OK, "alive")
            case "/readyz":
                self._answer(*self.server.readiness.answer())
            case "/metrics":
                self._send(HTTPStatus.OK, CONTENT_TYPE_LATEST, self.server.metrics.text())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "there is /healthz, /readyz and /metrics")

    def _answer(self, status: HTTPStatus, line: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{line}\n".encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: probes come every few seconds."""
