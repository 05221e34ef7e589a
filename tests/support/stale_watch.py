"""What an operator reads of the API server, held back or out of date."""

from collections.abc import Callable
from typing import Any

from quiver.app import Operator
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Kind, Manifest
from quiver.ports.api import Keep, Listing, as_it_is
from support.namespaces import Namespace
from support.waiting import eventually


class PastApi:
    """An API client that lists the collections of a namespace as they were, until it is `over`.

    The other kinds, and what others have of this one, are listed as they are.
    """

    def __init__(self, world: Namespace, past: Listing) -> None:
        self.over = False
        self._api = world.operator_api
        self._namespace = world.namespace
        self._past = [m for m in past.items if m["metadata"]["namespace"] == world.namespace]
        self._version = past.version

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def list(
        self, kind: Kind, selector: str = "", namespace: str = "", keep: Keep = as_it_is
    ) -> Listing:
        listing = await self._api.list(kind, selector, namespace, keep)
        if kind != VECTOR_COLLECTION or self.over:
            return listing
        others = [m for m in listing.items if m["metadata"]["namespace"] != self._namespace]
        return Listing([*others, *self._past], self._version)


class Feed:
    """What an operator's watch brings: events of chosen objects are lost, or held back.

    Lists, and the answers to the operator's own writes, come through.
    """

    def __init__(self, operator: Operator, chosen: Callable[[Kind, Key], bool]) -> None:
        self._cache = operator.cache
        self._chosen = chosen
        self._listing = False
        self._versions: set[str] = set()
        self._latest: dict[tuple[Kind, Key], Callable[[], object]] = {}
        self._put, self._remove = operator.cache.put, operator.cache.remove
        self._replace = operator.cache.replace
        operator.cache.put = self.put  # type: ignore[method-assign]
        operator.cache.remove = self.remove  # type: ignore[method-assign]
        operator.cache.replace = self.replace  # type: ignore[method-assign]

    def put(self, kind: Kind, manifest: Manifest, *, ours: bool = False) -> None:
        self._versions.add(manifest["metadata"]["resourceVersion"])
        self._pass(kind, Key.of(manifest), lambda: self._put(kind, manifest, ours=ours), ours)

    def remove(self, kind: Kind, key: Key, uid: str, *, ours: bool = False) -> None:
        self._pass(kind, key, lambda: self._remove(kind, key, uid, ours=ours), ours)

    def replace(self, *arguments: Any, **options: Any) -> bool:
        self._listing = True
        try:
            return self._replace(*arguments, **options)
        finally:
            self._listing = False

    def release(self) -> None:
        """Bring the last event of each object, as if all before it had been folded into it; hold
        nothing back from now on.
        """
        self._chosen = lambda _kind, _key: False
        for event in self._latest.values():
            event()

    async def holds(self, manifest: Manifest) -> None:
        """Wait until an event of this version of the object is being held back."""

        async def has_come() -> bool:
            return manifest["metadata"]["resourceVersion"] in self._versions

        await eventually(has_come, "the event has come")

    def _pass(self, kind: Kind, key: Key, event: Callable[[], object], ours: bool) -> None:
        if ours or self._listing or not self._chosen(kind, key):
            event()
        else:
            self._latest[kind, key] = event
