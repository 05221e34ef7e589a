"""Which other operators manage, or would manage, the objects in the cache."""

from collections.abc import Iterator

from quiver.control.cache.cache import Cache
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE
from quiver.domain.managers import Manager, contender_for
from quiver.domain.manifests import engine_of


class OtherOperators:
    """The namespace of another operator, once for each object that this one shares with it."""

    def __init__(self, cache: Cache, manager: Manager) -> None:
        self._cache = cache
        self._manager = manager

    def __iter__(self) -> Iterator[str]:
        """Read the cache anew. Do not await meanwhile."""
        for engine in self._cache.all(VECTOR_ENGINE):
            other = self._manager.other_manager_of(engine)
            if other is None and self._manager.manages(engine):
                other = contender_for(engine)
            if other is not None:
                yield other
        for collection in self._cache.all(VECTOR_COLLECTION):
            key = engine_of(collection)
            engine_or_none = self._cache.get(VECTOR_ENGINE, key) if key else None
            other = self._manager.other_manager_of(engine_or_none or collection)
            if other is not None:
                yield other
