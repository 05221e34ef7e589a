"""Asks the API server what it would make of a write, with all its checks, without the write."""

import asyncio
import re
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from quiver.adapters.kubernetes.client import DEADLINE_S
from quiver.adapters.kubernetes.connection import USER_AGENT, Connection
from quiver.adapters.kubernetes.errors import error_for
from quiver.adapters.kubernetes.pages import OBJECT_BYTES, read_bounded
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.text import one_line
from quiver.ports.errors import ApiRefused, ApiUnavailable

CLIENT_SIDE = "kubectl-client-side-apply"
MOST_WARNINGS = 16
WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""A header `Warning` of the API server: code, agent, and a quoted text (RFC 7234)."""


class Foretold(NamedTuple):
    """What the API server answered: the object as it would be, and its warnings."""

    manifest: Manifest
    warnings: tuple[str, ...]


class DryRuns:
    """Sends writes that the API server checks and forgets (dryRun=All).

    Raises: Conflict, for one of a field that another manager owns; NotFound, ApiRefused,
    ApiUnavailable.
    """

    def __init__(self, connection: Connection, manager: str, *, force: bool = False) -> None:
        """`manager` is the field manager that applies. With `force` it takes fields from others."""
        self._connection = connection
        self._query = {"fieldManager": manager, "force": str(force).lower()}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def apply(self, kind: Kind, manifest: Manifest) -> Foretold:
        """Apply server-side. As with kubectl, a field that the schema does not have is refused."""
        query = urlencode({"dryRun": "All", "fieldValidation": "Strict", **self._query})
        path = f"{_path(kind, Key.of(manifest))}?{query}"
        return await self._send("PATCH", path, manifest, "application/apply-patch+yaml")

    async def merge(self, kind: Kind, key: Key, patch: Manifest) -> Foretold:
        """Send a JSON merge patch, as `kubectl apply` without --server-side does."""
        query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": CLIENT_SIDE}
        path = f"{_path(kind, key)}?{urlencode(query)}"
        return await self._send("PATCH", path, patch, "application/merge-patch+json")

    async def delete(self, kind: Kind, key: Key) -> Foretold:
        """Delete the object."""
        return await self._send("DELETE", f"{_path(kind, key)}?dryRun=All")

    async def _send(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Foretold:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._answered(method, path, body, content_type)
        except TimeoutError as error:
            raise ApiUnavailable(
                f"the API server did not answer within {DEADLINE_S:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ApiUnavailable(f"the API server cannot be reached: {error}") from error

    async def _answered(
        self, method: str, path: str, body: Manifest | None, content_type: str
    ) -> Foretold:
        headers = {
            "Accept": "application/json",
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
            **await self._connection.authorization(),
        }
        if self._session is None:
            self._session = self._connection.session()
        async with self._session.request(
            method,
            self._connection.server + path,
            headers=headers,
            data=None if body is None else msgspec.json.encode(body),
            server_hostname=self._connection.configuration.tls_server_name,
        ) as answer:
            content = await read_bounded(answer, OBJECT_BYTES)
        if answer.status >= 400:
            raise error_for(answer.status, answer.reason or "", content)
        try:
            manifest = msgspec.json.decode(content, type=Manifest)
        except msgspec.DecodeError as error:
            raise ApiRefused(f"{path} answered with something else than JSON") from error
        return Foretold(manifest, warnings_in(answer.headers.getall("Warning", ())))


def warnings_in(headers: Iterable[str]) -> tuple[str, ...]:
    """Return the texts of an answer's headers `Warning`."""
    found = (match for header in headers for match in WARNING.finditer(header))
    texts = (re.sub(r"\\(.)", r"\1", match[1]) for match in found)
    return tuple(one_line(text, 500) for text in texts)[:MOST_WARNINGS]


def _path(kind: Kind, key: Key) -> str:
    namespace, name = quote(key.namespace, safe=""), quote(key.name, safe="")
    return f"/apis/{kind.api_version}/namespaces/{namespace}/{kind.plural}/{name}"
