"""Reads with the caller's rights. What may not be read is said, not left out."""

from collections.abc import Awaitable, Callable, Mapping

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.text import one_line
from quiver.ports.api import Keep, Listing, as_it_is
from quiver.ports.errors import ApiRefused, ApiUnavailable, NotFound


class Reading:
    """Reads objects, and keeps in `unread` what could not be read, and why.

    Raises: ApiUnavailable, unless it is `patient`: a part of the answer of an API server that is
    gone looks like the whole, except where all that is missing is listed with it.
    """

    def __init__(self, api: KubernetesClient, *, patient: bool = False) -> None:
        self.api = api
        self.unread: dict[str, str] = {}
        self._patient = patient

    async def listed(
        self, kind: Kind, namespace: str, selector: str = "", keep: Keep = as_it_is
    ) -> list[Manifest] | None:
        """Return the objects of the kind; None if they could not be read."""

        async def read() -> Listing:
            return await self.api.list(kind, selector, namespace, keep)

        return await self._found(kind, namespace, read)

    async def with_fields(
        self, kind: Kind, fields: Mapping[str, str], namespace: str, keep: Keep = as_it_is
    ) -> list[Manifest] | None:
        """Return the objects whose fields have these values; None if they could not be read."""

        async def read() -> Listing:
            return await self.api.with_fields(kind, fields, namespace, keep)

        return await self._found(kind, namespace, read)

    async def get(self, kind: Kind, key: Key) -> Manifest | None:
        """Return the object; None if it could not be read, or is not there: `unread` says which."""
        what = f"{kind.kind} {key}" if key.namespace else f"{kind.kind} {key.name}"
        try:
            return await self.api.get(kind, key)
        except NotFound:
            self.unread[what] = "not there"
        except ApiRefused as error:
            self.unread[what] = f"not allowed: {one_line(str(error))}"
        except ApiUnavailable as error:
            self._gone(what, error)
        return None

    async def _found(
        self, kind: Kind, namespace: str, read: Callable[[], Awaitable[Listing]]
    ) -> list[Manifest] | None:
        where = f"{kind.plural} in {place(namespace)}"
        try:
            return (await read()).items
        except NotFound:
            self.unread[where] = f"the cluster has no {kind.api_version} {kind.kind}"
        except ApiRefused as error:
            self.unread[where] = f"not allowed to list: {one_line(str(error))}"
        except ApiUnavailable as error:
            self._gone(where, error)
        return None

    def _gone(self, what: str, error: ApiUnavailable) -> None:
        if not self._patient:
            raise error
        self.unread[what] = one_line(str(error))


def place(namespace: str) -> str:
    """Name a namespace, or all of them where it is empty."""
    return f"namespace {namespace}" if namespace else "all namespaces"
