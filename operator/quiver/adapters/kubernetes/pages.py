"""Pages of lists, bounded in bytes: etcd takes objects of up to 1.5 MiB each, and a page has up to
500 of them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import aiohttp
import msgspec

from quiver.domain.kubernetes_types import Manifest
from quiver.ports.errors import ApiRefused

MIB = 2**20
MOST = 500
FIRST = 50
"""Objects of the first page of a kind, whose sizes are not known yet."""
WANTED_BYTES = MIB
"""What a page should have. The next limit follows from the bytes of an object in the last page."""
PAGE_BYTES = 4 * MIB
"""A longer page is given up while it is received, and asked for again with half the limit."""
OBJECT_BYTES = 12 * MIB
"""What one object may have. A tenant can fill a built-in object with characters that are one byte
in etcd and six bytes in JSON.
"""
GROWTH = 4

Take = Callable[[str, Iterable[Manifest]], bool]
"""Takes the objects of a page, given the path of the list, and tells whether it has."""


class TooLong(ApiRefused):
    """An answer has more bytes than it may have."""


class PageLimits:
    """How many objects to ask for in a page, by the path of the list."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._limits: dict[str, int] = {}

    def of(self, path: str) -> int:
        return self._limits.get(path, min(FIRST, self._most))

    def bytes_of(self, path: str) -> int:
        """Return how many bytes the next page may have."""
        return OBJECT_BYTES if self.of(path) == 1 else PAGE_BYTES

    def read(self, path: str, objects: int, size: int) -> None:
        """Adapt to a page that was read: `objects` of them in `size` bytes."""
        if objects:
            fitting = WANTED_BYTES * objects // max(size, 1)
            self._limits[path] = max(1, min(fitting, GROWTH * self.of(path), self._most))

    def given_up(self, path: str) -> None:
        """Adapt to a page that was too long. Raises: TooLong if it had one object."""
        if self.of(path) == 1:
            raise TooLong(f"an object at {path} has more than {OBJECT_BYTES} bytes")
        self._limits[path] = self.of(path) // 2


class _ListMeta(msgspec.Struct, rename={"version": "resourceVersion", "following": "continue"}):
    version: str = ""
    following: str = ""


class Page(msgspec.Struct):
    """One page of a list. Its items are decoded one at a time, when they are needed."""

    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None

    def __iter__(self) -> Iterator[Manifest]:
        for item in self.items or ():
            manifest = msgspec.json.decode(item, type=Manifest)
            manifest["metadata"].pop("managedFields", None)
            yield manifest

    def __len__(self) -> int:
        return len(self.items or ())


_DECODER = msgspec.json.Decoder(Page)


def decode_page(content: bytes) -> Page:
    """Raises: msgspec.DecodeError."""
    return _DECODER.decode(content)


async def read_bounded(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """Read the answer, of at most so many bytes. Raises: TooLong, having closed the connection."""
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > most:
            answer.close()
            raise TooLong(f"the answer has more than {most} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def paged(limits: PageLimits, take: Take) -> aiohttp.ClientMiddlewareType:
    """Return a session's middleware for lists. It sets their limits, and its caller gets a page
    without the objects that were taken.
    """

    async def page(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        path = request.url.path
        if "limit" not in request.url.query or "watch" in request.url.query:
            return await handler(request)
        while True:
            request.url = request.url.update_query(limit=str(limits.of(path)))
            answer = await handler(request)
            if answer.status != 200:
                return answer
            try:
                content = await read_bounded(answer, limits.bytes_of(path))
            except TooLong:
                limits.given_up(path)
                continue
            found = decode_page(content)
            limits.read(path, len(found), len(content))
            rest: Any = _Content(
                answer.content, _without_items(content) if take(path, found) else content
            )
            answer.content = rest
            return answer

    return page


def _without_items(content: bytes) -> bytes:
    shell: dict[str, msgspec.Raw] = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**shell, "items": []})


class _Content:
    """Wraps the content of an answer that was read. kopf reads a list as a whole."""

    def __init__(self, content: aiohttp.StreamReader, whole: bytes) -> None:
        self._content = content
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def read(self) -> bytes:
        return self._whole
