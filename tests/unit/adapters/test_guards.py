"""A process that may not write sends no write, to the API server or to an engine."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web

from quiver.adapters.interceptors import LeadershipInterceptor
from quiver.adapters.kubernetes.pod import own_identity, own_namespace
from quiver.adapters.kubernetes.tracing import check_writes
from quiver.control.leader.leadership import NotLeading
from quiver.control.work.interception import InterceptedEngines
from quiver.domain.access import Target

CHANGES = {
    "set_index": ("docs", None),
    "create": (None,),
    "drop": ("docs",),
    "create_partition": ("docs", "a"),
    "drop_partition": ("docs", "a"),
}
READS = {
    "version": (),
    "instance": (),
    "list_collections": (),
    "describe": ("docs",),
    "count_rows": ("docs",),
    "describe_index": ("docs",),
}


class Permission:
    """Counts how often it was asked; refuses when it is taken away."""

    def __init__(self) -> None:
        self.given = True
        self.asked = 0

    def require(self) -> None:
        self.asked += 1
        if not self.given:
            raise NotLeading("somebody else leads")


class AnyEngine:
    """Takes every call and remembers its name."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def at(self, _target: Target) -> Any:
        return self

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*_arguments: Any) -> None:
            self.calls.append(name)

        return call


@asynccontextmanager
async def serving(seen: list[str]) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        seen.append(request.method)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_a_write_is_stopped_when_its_connection_is_there(
    method: str, connected: bool
) -> None:
    """On a connection made for it and on one that was there already; reads go through."""
    seen: list[str] = []
    permission = Permission()
    trace = check_writes(permission.require)
    async with serving(seen) as url, ClientSession(trace_configs=[trace]) as session:
        if connected:
            async with session.request(method, url):
                pass
        permission.given = False
        with pytest.raises(NotLeading):
            await session.request(method, url)
        async with session.get(url):
            pass
    assert seen == ([method, "GET"] if connected else ["GET"])


async def test_engines_are_changed_only_with_permission() -> None:
    """Each change asks first and is not made without; looking needs no permission."""
    engine, permission = AnyEngine(), Permission()
    engines = InterceptedEngines(engine, LeadershipInterceptor(permission.require))
    client = engines.at(Target("10.0.0.7:19530", "Quiver"))
    permission.given = False
    for name, arguments in CHANGES.items():
        with pytest.raises(NotLeading):
            await getattr(client, name)(*arguments)
    for name, arguments in READS.items():
        await getattr(client, name)(*arguments)
    assert engine.calls == list(READS)
    permission.given = True
    for name, arguments in CHANGES.items():
        await getattr(client, name)(*arguments)
    assert engine.calls == [*READS, *CHANGES]


def test_a_process_has_a_name_of_its_own() -> None:
    """It begins with the pod's, and differs after a restart of the container."""
    environment = {"POD_NAME": "quiver-7d9f", "POD_NAMESPACE": "quiver-system"}
    assert own_identity(environment).startswith("quiver-7d9f_")
    assert own_identity(environment) != own_identity(environment)
    assert own_namespace(environment) == "quiver-system"
