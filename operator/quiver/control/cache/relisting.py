"""Fills the cache from the API server's lists: at the start, and periodically."""

import asyncio
import logging
from collections.abc import Collection

from quiver.control.cache.cache import Cache
from quiver.control.observe.readiness import Readiness
from quiver.domain.kubernetes_types import (
    GROUP,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NETWORK_POLICY,
    POD,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Kind,
)
from quiver.ports.api import Api
from quiver.ports.errors import ApiError, NotFound

log = logging.getLogger(__name__)

MANAGED = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
WATCHED: dict[Kind, str] = {
    VECTOR_ENGINE: "",
    VECTOR_COLLECTION: "",
    STATEFUL_SET: MANAGED,
    SERVICE: MANAGED,
    NETWORK_POLICY: MANAGED,
    POD: MANAGED,
}
"""The kinds that the operator keeps in its cache, with the label selector of each."""

RETRY_S = 2.0


class Relister:
    """Fills the cache, and later corrects what the watches missed."""

    def __init__(self, api: Api, cache: Cache, namespaces: Collection[str] = ()) -> None:
        """Only the given namespaces are listed; none given means the whole cluster."""
        self._api = api
        self._cache = cache
        self._namespaces = namespaces or ("",)

    async def fill(self, readiness: Readiness, retry: float = RETRY_S) -> None:
        """List all kinds, and retry every `retry` seconds until that succeeds. Report each error
        to `readiness`.
        """
        while True:
            try:
                await self._list_all()
            except ApiError as error:
                readiness.blocked(_explain(error))
                await asyncio.sleep(retry)
            else:
                readiness.achieved()
                return

    async def refresh(self) -> None:
        """List all kinds again. A failure leaves the cache as it is."""
        try:
            await self._list_all()
        except ApiError as error:
            log.warning(
                "the cluster's objects cannot be listed, the cache stays as it is: %s", error
            )

    async def _list_all(self) -> None:
        for kind, selector in WATCHED.items():
            for namespace in self._namespaces:
                listing = await self._api.list(kind, selector, namespace)
                self._cache.replace(kind, listing.items, listing.version, namespace)


def _explain(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return (
            f"the cluster does not know the kinds of {GROUP}: install the CRDs with"
            " `kubectl apply -f crds/` or the Helm chart; waiting for them"
        )
    return f"the cluster's objects cannot be listed: {error}; trying again"
