"""What must never be said of a collection on Milvus, and who set which of its properties."""

from collections.abc import Callable

from quiver.domain.conditions import ready_status
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from simulation.api_server import ApiServer, Write
from simulation.claims import Claims
from simulation.engines import Change, Fleet, Home
from simulation.milvus import ModelMilvus
from simulation.milvus_specs import ANOTHER, OWNER, is_to_be_loaded
from simulation.safety import Safety
from support.milvus_memory import MilvusCollection

KNOWN_S = 15.0
"""How old what an operator was told may be when it says that a collection is ready."""

READS_S = 5.0
"""How long the reads take before a reconcile's first step."""


class MilvusSafety:
    """Holds each status against the servers, as `Safety` holds all else."""

    def __init__(
        self,
        server: ApiServer,
        fleet: Fleet,
        claims: Claims,
        safety: Safety,
        now: Callable[[], float],
    ) -> None:
        self._fleet = fleet
        self._claims = claims
        self._safety = safety
        self._now = now
        self._set_for: dict[tuple[Home, str], dict[str, str]] = {}
        self._marked_at: dict[tuple[Home, str], float] = {}
        self._aliased_at: dict[tuple[Home, str], float] = {}
        self._claimed_at: dict[tuple[Home, str, str], float] = {}
        server.observers.append(self._wrote)
        fleet.asking.append(self._asked)
        fleet.changed.append(self._changed)

    def set_for(self, home: Home, name: str) -> dict[str, str]:
        """Return the properties that operators have set, with the uid of the object that it was
        for.
        """
        return self._set_for.get((home, name), {})

    def is_marked_since(self, home: Home, name: str, uid: str) -> bool:
        """Tell whether the mark of a collection was changed after the object has claimed it."""
        claimed_at = self._claimed_at.get((home, name, uid), 0.0)
        return self._marked_at.get((home, name), 0.0) > claimed_at

    def _wrote(self, write: Write) -> None:
        if write.kind != VECTOR_COLLECTION:
            return
        mine = self._claims.held(write.new) if write.new is not None else None
        before = self._claims.held(write.old) if write.old is not None else None
        if mine is not None and write.new is not None and before != mine:
            self._claimed_at[(*mine, write.new["metadata"]["uid"])] = write.at
        if not write.actor.startswith("op-"):
            return
        if write.new is None or not _becomes_ready(write.old, write.new):
            return
        engine = self._fleet.at_home(mine[0]) if mine is not None else None
        if mine is None or not isinstance(engine, ModelMilvus) or not is_to_be_loaded(write.new):
            return
        last, old = engine.searchable_at(mine[1]), self._safety.lengthened(KNOWN_S, write.actor)
        if last is None or self._now() - last > old:
            since = "never could be" if last is None else f"could last be at {last:.1f}"
            told = f"{write.key} is said to be ready, and {since} searched"
            self._safety.says(write.actor, told)

    def _asked(self, change: Change) -> None:
        """What another owner has marked is left alone, and what an alias leads to is not dropped,
        once that could be known.
        """
        engine = self._fleet.at_home(change.home)
        if not change.actor.startswith("op-") or not isinstance(engine, ModelMilvus):
            return
        found, place = engine.collections.get(change.name), (change.home, change.name)
        if not isinstance(found, MilvusCollection) or change.call == "create":
            return
        deleted = [key for key, value in _altered(change).items() if value is None]
        foreign = [key for key in deleted if key not in self.set_for(*place)]
        if foreign:
            self._safety.says(change.actor, f"{foreign} of {change.name!r} are taken away")
        known = self._now() - self._safety.window - READS_S
        told = f"{change.call} of {change.name!r} at {change.home.name} is asked for"
        is_marked = found.properties.get(OWNER) == ANOTHER and self._marked_at[place] < known
        if is_marked and not self._is_adopted(*place):
            self._safety.says(change.actor, f"{told}, which has another's mark")
        if change.call == "drop" and found.aliases and self._aliased_at[place] < known:
            self._safety.says(change.actor, f"{told}, to which an alias leads")

    def _is_adopted(self, home: Home, name: str) -> bool:
        """Tell whether the mark may be that of the owner before."""
        owners = [uid for (*place, uid) in self._claimed_at if place == [home, name]]
        return any(not self.is_marked_since(home, name, uid) for uid in owners)

    def _changed(self, change: Change) -> None:
        place = change.home, change.name
        if change.call in ("create", "drop"):
            self._set_for.pop(place, None)
        if change.call == "create_alias":
            self._aliased_at[place] = change.at
        engine = self._fleet.at_home(change.home)
        is_set = change.call in ("create", "alter_properties")
        if not is_set or not isinstance(engine, ModelMilvus):
            return
        found = engine.found(change.name).properties
        altered = _altered(change) or found
        if OWNER in altered:
            self._marked_at[place] = change.at
        known = self._set_for.setdefault(place, {})
        for key in altered:
            if key in found and change.actor.startswith("op-"):
                known[key] = found.get(OWNER, "")


def _altered(change: Change) -> dict[str, str | None]:
    """Return the properties that the change sets; with None those that it takes away."""
    return change.detail if isinstance(change.detail, dict) else {}


def _becomes_ready(old: Manifest | None, new: Manifest) -> bool:
    was = old is not None and ready_status(old) == "True"
    return not was and ready_status(new) == "True"
