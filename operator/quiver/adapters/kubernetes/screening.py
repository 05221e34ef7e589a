"""Lines of a watch that need not reach whoever reads it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

Screen = Callable[[str, bytes], bool]
"""Told the path of a watch and a line of its answer, tells whether the reader is spared it."""


def screened_by(screen: Screen) -> aiohttp.ClientMiddlewareType:
    """Return the middleware of a session whose watches are screened."""

    async def screened(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        answer = await handler(request)
        if "watch" in request.url.query:
            content: Any = _Screened(answer.content, screen, request.url.path)
            answer.content = content
        return answer

    return screened


class _Screened:
    """Stands for the content of an answer; kopf reads a watch by `iter_chunked`."""

    def __init__(self, content: aiohttp.StreamReader, screen: Screen, path: str) -> None:
        self._content = content
        self._screen = screen
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            kept = [line for line in lines if not self._screen(self._path, line)]
            if kept:
                yield b"\n".join([*kept, b""])
        yield rest
