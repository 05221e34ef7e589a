"""A watch without the lines that its filter takes out."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from quiver.adapters.kubernetes.connection import proxy_for
from quiver.adapters.kubernetes.watch_filter import filtered_by

CHUNKS = [b"one\ntw", b"o\nthree\n", b"fo", b"ur\n"]


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for chunk in CHUNKS:
            await answer.write(chunk)
        return answer

    app = web.Application()
    app.router.add_get("/things", stream)
    async with TestServer(app) as started:
        yield started


async def read(server: TestServer, query: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return what the reader got, and what the filter was asked about."""
    asked = []

    def watch_filter(path: str, line: bytes) -> bool:
        asked.append((path, line))
        return line == b"two"

    async with (
        ClientSession(middlewares=[filtered_by(watch_filter)]) as session,
        session.get(server.make_url(f"/things{query}")) as answer,
    ):
        return b"".join([chunk async for chunk in answer.content.iter_chunked(4)]), asked


async def test_a_watch_lacks_the_lines_that_its_filter_takes_out(server: TestServer) -> None:
    """Lines are whole, however they were cut on the way, and the others arrive as they were."""
    content, asked = await read(server, "?watch=true")
    assert content == b"one\nthree\nfour\n"
    assert [line for _, line in asked] == [b"one", b"two", b"three", b"four"]
    assert {path for path, _ in asked} == {"/things"}


async def test_what_is_no_watch_is_left_alone(server: TestServer) -> None:
    """Lists pass as they are."""
    content, asked = await read(server, "?limit=500")
    assert content == b"".join(CHUNKS)
    assert asked == []


def test_the_proxy_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY leads to the API server, unless NO_PROXY names it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.1,.internal")
    assert proxy_for("https://192.0.2.1:6443") == "http://proxy.example:3128"
    assert proxy_for("https://10.0.0.1:6443") is None
    assert proxy_for("https://api.internal:6443") is None
