"""Which other operators manage, or would manage, the objects in the cache."""

from collections.abc import Iterator

from quiver.control.cache.cache import Cache
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE
from quiver.domain.managers import Manager, contender_for
from quiver.domain.manifests import engine_of


def other_operators(cache: Cache, manager: Manager) -> Iterator[str]:
    """Yield the namespace of another operator, once for each object that `manager` shares with it.
    Do not await meanwhile: the cache must not change.
    """
    for engine in cache.all(VECTOR_ENGINE):
        other = manager.other_manager_of(engine)
        if other is None and manager.manages(engine):
            other = contender_for(engine)
        if other is not None:
            yield other
    for collection in cache.all(VECTOR_COLLECTION):
        key = engine_of(collection)
        engine_or_none = cache.get(VECTOR_ENGINE, key) if key else None
        other = manager.other_manager_of(engine_or_none or collection)
        if other is not None:
            yield other
