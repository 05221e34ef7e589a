"""Fills the cache from the API server's lists: at the start, and periodically."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

from quiver.control.cache.cache import Cache
from quiver.control.cache.trim import trim
from quiver.control.observe.readiness import Readiness
from quiver.domain.kubernetes_types import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Kind,
)
from quiver.domain.rights import Rights
from quiver.ports.api import Api
from quiver.ports.errors import ApiError, ApiRefused, NotFound

log = logging.getLogger(__name__)

MANAGED = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
WATCHED: dict[Kind, str] = {
    VECTOR_ENGINE: "",
    VECTOR_COLLECTION: "",
    STATEFUL_SET: MANAGED,
    SERVICE: MANAGED,
    NETWORK_POLICY: MANAGED,
    POD_DISRUPTION_BUDGET: MANAGED,
    POD: MANAGED,
}
"""The kinds that the operator keeps in its cache, with the label selector of each."""

RETRY_S = 2.0


class Relister:
    """Fills the cache, and later corrects what the watches missed."""

    def __init__(
        self, api: Api, cache: Cache, readiness: Readiness, rights: Rights | None = None
    ) -> None:
        """Only the namespaces of `rights` are listed; none there means the whole cluster."""
        self._api = api
        self._cache = cache
        self._readiness = readiness
        self._rights = rights or Rights()

    async def fill(self, retry: float = RETRY_S) -> None:
        """List all kinds, and retry every `retry` seconds until that succeeds. Report each error
        as what keeps the operator from being ready.
        """
        while True:
            try:
                await self._list_all()
            except ApiError as error:
                self._readiness.blocked(_explain(error))
                await asyncio.sleep(retry)
            else:
                self._readiness.achieved()
                return

    async def refresh(self) -> None:
        """List all kinds again. A failure leaves the cache as it is. The operator is ready unless a
        kind is gone: an API server that does not answer is back by itself.
        """
        try:
            await self._list_all()
        except NotFound as error:
            self._readiness.blocked(_explain(error))
        except ApiError as error:
            log.warning(
                "the cluster's objects cannot be listed, the cache stays as it is: %s", error
            )
        else:
            self._readiness.achieved()

    async def _list_all(self) -> None:
        if self._rights.is_cluster_wide:
            await self._list_namespace("")
            return
        refusals: dict[str, ApiRefused] = {}
        for namespace in self._rights.namespaces:
            try:
                await self._list_namespace(namespace)
            except ApiRefused as error:
                refusals[namespace] = error
        if len(refusals) == len(self._rights.namespaces):
            raise next(iter(refusals.values()))
        self._withhold(refusals)

    async def _list_namespace(self, namespace: str) -> None:
        """Raises: ApiError; NotFound, which names the kinds that are missing, once the others are
        listed.
        """
        missing = []
        for kind, selector in WATCHED.items():
            try:
                await self._list(kind, selector, namespace)
            except NotFound:
                missing.append(kind.full_name)
        if missing:
            raise NotFound(" and ".join(missing))

    async def _list(self, kind: Kind, selector: str, namespace: str) -> None:
        mark = self._cache.mark(kind, namespace)
        keep = partial(self._cache.known_or_trimmed, kind)
        listing = await self._api.list(kind, selector, namespace, keep)
        if int(listing.version) < mark.newest:
            log.warning(
                "the API server's %s went back from version %d to %s, as after a restore of etcd: "
                "the cache follows",
                kind.plural,
                mark.newest,
                listing.version,
            )
            # A version that is given out again may be of something else than what is known.
            keep = partial(trim, kind)
            listing = await self._api.list(kind, selector, namespace, keep)
        self._cache.replace(kind, listing.items, listing.version, namespace=namespace, mark=mark)

    def _withhold(self, refusals: Mapping[str, ApiRefused]) -> None:
        """Note which namespaces cannot be listed. What the cache has of them stays.

        Such a namespace may be gone, and its Role with it: the others go on.
        """
        withheld = self._rights.withheld
        for namespace in refusals.keys() - withheld:
            log.error(
                "namespace %s cannot be watched: %s. If it is gone, take it off --namespace"
                " (watchNamespaces in the chart)",
                namespace,
                refusals[namespace],
            )
        for namespace in withheld - refusals.keys():
            log.info("namespace %s can be listed again", namespace)
        withheld.clear()
        withheld.update(refusals)


def _explain(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return (
            f"the cluster has no CustomResourceDefinition {error}: bring it back with"
            " `kubectl apply -f crds/`, `helm upgrade` or install.yaml; waiting for it"
        )
    return f"the cluster's objects cannot be listed: {error}; trying again"
