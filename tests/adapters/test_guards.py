"""A process that may not write sends no write, to the API server or to an engine."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web

from quiver.adapters.interceptors import LeadershipInterceptor
from quiver.adapters.kubernetes.pod import own_identity, own_namespace
from quiver.adapters.kubernetes.tracing import guard_writes
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
    "report": (),
    "list_collections": (),
    "describe": ("docs",),
    "count_rows": ("docs",),
    "describe_index": ("docs",),
}


class Permission:
    """Refuses when it is taken away; `ends` tells of each write whether it was answered."""

    def __init__(self) -> None:
        self.given = True
        self.ends: list[bool] = []

    @contextmanager
    def writing(self) -> Iterator[None]:
        if not self.given:
            raise NotLeading("somebody else leads")
        answered = False
        try:
            yield
            answered = True
        finally:
            self.ends.append(answered)


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
async def serving(seen: list[str], status: int = 200, *, hang: bool = False) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        seen.append(request.method)
        if hang:
            await asyncio.Event().wait()
        return web.Response(status=status)

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
    trace = guard_writes(permission.writing)
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


@pytest.mark.parametrize("status", [200, 409, 503])
async def test_an_answer_ends_a_write(status: int) -> None:
    """Whatever the API server says: nothing of the request is on its way any more."""
    permission = Permission()
    trace = guard_writes(permission.writing)
    async with serving([], status) as url, ClientSession(trace_configs=[trace]) as session:
        (await session.post(url)).close()
    assert permission.ends == [True]


async def test_a_write_that_is_given_up_has_no_answer() -> None:
    """It may still arrive."""
    permission = Permission()
    trace = guard_writes(permission.writing)
    async with serving([], hang=True) as url, ClientSession(trace_configs=[trace]) as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await session.post(url)
    assert permission.ends == [False]


async def test_engines_are_changed_only_with_permission() -> None:
    """Each change asks first and is not made without; looking needs no permission."""
    engine, permission = AnyEngine(), Permission()
    engines = InterceptedEngines(engine, LeadershipInterceptor(permission.writing))
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
