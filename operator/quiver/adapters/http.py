"""The operator's HTTP server, for probes and metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from quiver.control.observe.readiness import Readiness


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

    app = web.Application()
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
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        yield f"{host}:{bound}"
    finally:
        await runner.cleanup()
