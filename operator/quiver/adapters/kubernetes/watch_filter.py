"""Filters the lines of a watch before its reader gets them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

WatchFilter = Callable[[str, bytes], bool]
"""Tells, given the path of a watch and a line of its answer, whether to drop the line."""


def filtered_by(watch_filter: WatchFilter) -> aiohttp.ClientMiddlewareType:
    """Return a session's middleware that filters all watches."""

    async def filtered(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        answer = await handler(request)
        if "watch" in request.url.query:
            content: Any = _Filtered(answer.content, watch_filter, request.url.path)
            answer.content = content
        return answer

    return filtered


class _Filtered:
    """Wraps the content of an answer. kopf reads a watch by `iter_chunked`."""

    def __init__(self, content: aiohttp.StreamReader, watch_filter: WatchFilter, path: str) -> None:
        self._content = content
        self._filter = watch_filter
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            kept = [line for line in lines if not self._filter(self._path, line)]
            if kept:
                yield b"\n".join([*kept, b""])
        yield rest
