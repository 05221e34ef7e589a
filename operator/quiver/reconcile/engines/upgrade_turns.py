"""Lets one engine after another begin an upgrade by itself, across the cluster."""

from quiver.domain.conditions import ready_reason
from quiver.domain.kubernetes_types import STATEFUL_SET, Key
from quiver.ports.kubernetes import Objects
from quiver.reconcile.engines.gather import WAITING
from quiver.reconcile.engines.revisions import rollout_in


class UpgradeTurns:
    """An engine whose upgrade stops keeps its turn: what is wrong with one is wrong with others.

    Whose turn it is stands in the StatefulSets, so that the next operator knows it too. Only that
    the collections of the last engine are waited for is remembered here.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._beginning: Key | None = None
        self._last: Key | None = None

    def take(self, engine: Key) -> bool:
        """Tell whether the engine may begin now. Whoever may calls `begun` afterwards."""
        if self._beginning is not None or self._is_waited_for(engine):
            return False
        self._beginning = self._last = engine
        return True

    def begun(self) -> None:
        """Take note that the cache has the StatefulSet of the engine whose turn it is."""
        self._beginning = None

    def _is_waited_for(self, engine: Key) -> bool:
        others = (m for m in self._objects.engines() if Key.of(m) != engine)
        automatic = (m for m in others if m.get("spec", {}).get("upgradePolicy") == "Automatic")
        return any(self._is_under_way(Key.of(m)) for m in automatic)

    def _is_under_way(self, engine: Key) -> bool:
        live = self._objects.get(STATEFUL_SET, engine)
        rollout = None if live is None else rollout_in(live)
        if rollout is not None and not rollout.is_held:
            return True
        collections = self._objects.collections_of(engine) if engine == self._last else ()
        return any(ready_reason(collection) in WAITING for collection in collections)
