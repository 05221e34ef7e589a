"""A thin client of the Kubernetes API: raw JSON, deadlines, and the errors of the ports."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from quiver.adapters.kubernetes.connection import USER_AGENT, Connection
from quiver.adapters.kubernetes.errors import error_for
from quiver.adapters.kubernetes.pages import (
    MOST,
    OBJECT_BYTES,
    PAGE_BYTES,
    PageLimits,
    Take,
    TooLong,
    decode_page,
    read_bounded,
)
from quiver.adapters.kubernetes.watch_filter import WatchFilter
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.ports.api import Keep, Listing, as_it_is
from quiver.ports.errors import ApiRefused, ApiUnavailable

FIELD_MANAGER = "quiver"
DEADLINE_S = 10.0
Decoded = TypeVar("Decoded")
_ENCODER = msgspec.json.Encoder()
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # `_call` has a deadline
_GONE = "the list took so long that the API server has forgotten its beginning"


class Answer(NamedTuple):
    """`warnings` are the values of the headers of that name."""

    status: int
    reason: str
    content: bytes
    warnings: Sequence[str] = ()


class KubernetesClient:
    """Implements `quiver.ports.api.Api`.

    It never sends a write twice: aiohttp retries only idempotent requests, on a connection that was
    closed while idle.
    """

    def __init__(
        self, connection: Connection, deadline: float = DEADLINE_S, page: int = MOST
    ) -> None:
        """`deadline` is in seconds, for each request; `page` is how many objects one page of a list
        has at most.
        """
        self._connection = connection
        self._deadline = deadline
        self._limits = PageLimits(page)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def server(self) -> str:
        return self._connection.server

    def watch_session(
        self, on_list: Callable[[], None], watch_filter: WatchFilter, take: Take
    ) -> aiohttp.ClientSession:
        return self._connection.watch_session(on_list, watch_filter, take)

    async def list(
        self, kind: Kind, selector: str = "", namespace: str = "", keep: Keep = as_it_is
    ) -> Listing:
        query = {"labelSelector": selector} if selector else {}
        return await self._list(_path(kind, namespace=namespace), query, keep)

    async def with_fields(
        self, kind: Kind, fields: Mapping[str, str], namespace: str = "", keep: Keep = as_it_is
    ) -> Listing:
        """Return what `keep` makes of the objects whose fields have these values."""
        query = {"fieldSelector": _fields(fields)}
        return await self._list(_path(kind, namespace=namespace), query, keep)

    async def _list(self, path: str, query: dict[str, str], keep: Keep) -> Listing:
        items = list[Manifest]()
        while True:
            query["limit"] = str(self._limits.of(path))
            try:
                content = await self._content(
                    "GET", f"{path}?{urlencode(query)}", most=self._limits.bytes_of(path)
                )
            except TooLong:
                self._limits.given_up(path)
                continue
            page = _decoded(path, content, decode_page)
            self._limits.read(path, len(page), len(content))
            items += map(keep, page)
            if not page.metadata.following:
                return Listing(items, page.metadata.version)
            query["continue"] = page.metadata.following

    async def some(
        self, kind: Kind, namespace: str, fields: Mapping[str, str], most: int
    ) -> Sequence[Manifest]:
        query = urlencode({"fieldSelector": _fields(fields), "limit": str(most)})
        path = f"{_path(kind, namespace=namespace)}?{query}"
        page = _decoded(path, await self._content("GET", path, most=PAGE_BYTES), decode_page)
        return list(page)[:most]

    async def get(self, kind: Kind, key: Key) -> Manifest:
        return await self._call("GET", _path(kind, key))

    async def read(self, path: str, most: int) -> bytes:
        """Return what a path that is no object answers, such as /version, of at most `most` bytes.

        Raises: TooLong for a longer answer.
        """
        return await self._content("GET", path, most=most)

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        path = _path(kind, key) + (f"/{subresource}" if subresource else "")
        query = urlencode({"fieldManager": FIELD_MANAGER})
        return await self._call("PATCH", f"{path}?{query}", patch, "application/merge-patch+json")

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        path = _path(kind, Key.of(manifest))
        query = urlencode({"fieldManager": FIELD_MANAGER, "force": "true"})
        return await self._call(
            "PATCH", f"{path}?{query}", manifest, "application/apply-patch+yaml"
        )

    async def delete(self, kind: Kind, key: Key, uid: str) -> None:
        await self._call("DELETE", _path(kind, key), {"preconditions": {"uid": uid}})

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        path = _path(kind, namespace=manifest["metadata"]["namespace"])
        query = urlencode({"fieldManager": FIELD_MANAGER})
        return await self._call("POST", f"{path}?{query}", manifest)

    async def _call(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        return decoded(path, await self._content(method, path, body, content_type))

    async def _content(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        most: int = OBJECT_BYTES,
    ) -> bytes:
        return (await self.exchange(method, path, body, content_type, most)).content

    async def exchange(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        most: int = OBJECT_BYTES,
    ) -> Answer:
        """Return a successful answer, of at most so many bytes. Raises: ApiError; TooLong for a
        longer one.
        """
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._counted(method, path, body, content_type, most)
        except TimeoutError as error:
            raise ApiUnavailable(
                f"the API server did not answer within {self._deadline:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ApiUnavailable(f"the API server cannot be reached: {error}") from error
        if answer.status == 410:
            raise ApiUnavailable(_GONE)
        if answer.status >= 400:
            raise error_for(answer.status, answer.reason, answer.content)
        return answer

    async def _counted(
        self, method: str, path: str, body: Manifest | None, content_type: str, most: int
    ) -> Answer:
        status = None
        try:
            answer = await self._send(method, path, body, content_type, most)
            status = answer.status
        finally:
            self._connection.count(method, status)
        return answer

    async def _send(
        self, method: str, path: str, body: Manifest | None, content_type: str, most: int
    ) -> Answer:
        headers = {
            "Accept": "application/json",
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
            **await self._connection.authorization(),
        }
        if self._session is None or self._session.closed:
            self._session = self._connection.session()
        async with self._session.request(
            method,
            self._connection.server + path,
            headers=headers,
            data=None if body is None else _ENCODER.encode(body),
            server_hostname=self._connection.configuration.tls_server_name,
            timeout=_NO_TIMEOUT,
        ) as answer:
            warnings = tuple(answer.headers.getall("Warning", ()))
            content = await read_bounded(answer, most)
            return Answer(answer.status, answer.reason or "", content, warnings)


def _decoded(path: str, content: bytes, decode: Callable[[bytes], Decoded]) -> Decoded:
    try:
        return decode(content)
    except msgspec.DecodeError as error:
        raise ApiRefused(f"{path} answered with something else than JSON") from error


def decoded(path: str, content: bytes) -> Manifest:
    """Return the object that a path answered with. Raises: ApiRefused."""
    return _decoded(path, content, _manifest)


def _manifest(content: bytes) -> Manifest:
    return msgspec.json.decode(content, type=Manifest)


def _fields(fields: Mapping[str, str]) -> str:
    return ",".join(f"{path}={value}" for path, value in fields.items())


def _path(kind: Kind, key: Key | None = None, *, namespace: str = "") -> str:
    root = f"/apis/{kind.group}" if kind.group else "/api"
    namespace = key.namespace if key else namespace
    parts = [root, kind.version]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(kind.plural)
    if key:
        parts.append(quote(key.name, safe=""))
    return "/".join(parts)
