"""Asks the API server what it would make of a write, with all its checks, without the write."""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, urlencode

from quiver.adapters.kubernetes.client import KubernetesClient, decoded
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.text import one_line

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

    def __init__(self, api: KubernetesClient, manager: str, *, force: bool = False) -> None:
        """`manager` is the field manager that applies. With `force` it takes fields from others."""
        self._api = api
        self._query = {"fieldManager": manager, "force": str(force).lower()}

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
        answer = await self._api.exchange(method, path, body, content_type)
        return Foretold(decoded(path, answer.content), warnings_in(answer.warnings))


def warnings_in(headers: Iterable[str]) -> tuple[str, ...]:
    """Return the texts of an answer's headers `Warning`."""
    found = (match for header in headers for match in WARNING.finditer(header))
    texts = (re.sub(r"\\(.)", r"\1", match[1]) for match in found)
    return tuple(one_line(text, 500) for text in texts)[:MOST_WARNINGS]


def _path(kind: Kind, key: Key) -> str:
    namespace, name = quote(key.namespace, safe=""), quote(key.name, safe="")
    return f"/apis/{kind.api_version}/namespaces/{namespace}/{kind.plural}/{name}"
