"""Hooks into aiohttp sessions: they count requests, report lists, and check each write before it is
sent.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import SimpleNamespace

import aiohttp
from prometheus_client import Counter


def count_requests(requests: Counter) -> aiohttp.TraceConfig:
    """Count every request by code, host and method, as client-go does."""

    async def answered(
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        request: aiohttp.TraceRequestEndParams,
    ) -> None:
        host = request.url.authority
        requests.labels(str(request.response.status), host, request.method).inc()

    async def failed(
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        request: aiohttp.TraceRequestExceptionParams,
    ) -> None:
        requests.labels("<error>", request.url.authority, request.method).inc()

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


def on_lists(listed: Callable[[], None]) -> aiohttp.TraceConfig:
    """Call `listed` after each successful list of objects of a kind.

    kopf calls its handlers for the objects in a list, but not for those that a new list no longer
    has.
    """

    async def answered(
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        request: aiohttp.TraceRequestEndParams,
    ) -> None:
        is_list = "limit" in request.url.query and "watch" not in request.url.query
        if is_list and request.response.status == 200:
            listed()

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    return trace


def guard_writes(writing: Callable[[], AbstractContextManager[None]]) -> aiohttp.TraceConfig:
    """Send each write within a context that `writing` makes. It raises to forbid the write.

    The context is entered once there is a connection: leadership may be lost while a request waits
    for one.
    """

    async def begun(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        request: aiohttp.TraceRequestStartParams,
    ) -> None:
        context.writes = request.method not in ("GET", "HEAD")
        context.writing = ExitStack()

    async def connected(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _connection: object
    ) -> None:
        if context.writes:
            context.writing.enter_context(writing())

    async def answered(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        _answer: aiohttp.TraceRequestEndParams,
    ) -> None:
        context.writing.close()

    async def failed(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        failure: aiohttp.TraceRequestExceptionParams,
    ) -> None:
        error = failure.exception
        context.writing.__exit__(type(error), error, error.__traceback__)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    trace.on_request_start.append(begun)
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace
