"""The operator's HTTP server, for probes and metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from quiver.control.observe.readiness import Readiness

MOST_CONNECTIONS = 64
BACKLOG = 128
"""Connections that the kernel holds until they are accepted."""
CONNECTION_S = 5.0
"""How long a connection lasts, from its beginning to the end of the answer."""


def application(readiness: Readiness, registry: CollectorRegistry) -> web.Application:
    """Return the application: /healthz answers while the event loop runs, /readyz reports what is
    missing or which pod leads, /metrics serves Prometheus.
    """

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        if readiness.problem is None:
            return web.Response(text=f"{readiness.state}\n")
        return web.Response(status=503, text=f"{readiness.problem}\n")

    async def metrics(_request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(registry), headers=headers)

    async def end_connection(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Connection"] = "close"
        response.force_close()

    app = web.Application()
    app.on_response_prepare.append(end_connection)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve on the address within the context. Yields HOST:PORT, with the port that the system has
    chosen for 0.

    Raises: OSError if the address cannot be bound.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    assert runner.server is not None, "it was just set up"
    factory = _Bounded(runner.server)
    try:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(factory, host, port, backlog=BACKLOG) as listener:
            yield f"{host}:{listener.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


class _Bounded:
    """Makes the protocol of each new connection.

    Without it, clients that never finish their requests would use up the process's files.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def __call__(self) -> web.RequestHandler:
        is_open = [c for c in self._server.connections if c.transport is not None]
        for oldest in is_open[: max(0, len(is_open) - MOST_CONNECTIONS + 1)]:
            oldest.force_close()
        connection = self._server()
        asyncio.get_running_loop().call_later(CONNECTION_S, connection.force_close)
        return connection
