"""What must never be said of a collection in long form, and which indexes were noted as set."""

from collections.abc import Set as AbstractSet

from quiver.domain.conditions import ready_status
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from simulation.api_server import ApiServer, Write
from simulation.claims import Claims
from simulation.engines import Change, Fleet, Home
from simulation.milvus import ModelMilvus
from simulation.milvus_forms import schema_of
from simulation.milvus_safety import KNOWN_S
from simulation.safety import Safety
from support.milvus_memory import MilvusCollection


class FormSafety:
    """Holds each status against the servers, as `MilvusSafety` does for what is loaded."""

    def __init__(self, server: ApiServer, fleet: Fleet, claims: Claims, safety: Safety) -> None:
        self._fleet = fleet
        self._claims = claims
        self._safety = safety
        self._noted: dict[tuple[Home, str, str], set[str]] = {}
        server.observers.append(self._wrote)
        fleet.changed.append(self._changed)

    def noted(self, home: Home, name: str, uid: str) -> AbstractSet[str]:
        """Return the fields whose index was last set for the object, as its status said."""
        return self._noted.get((home, name, uid), set())

    def _wrote(self, write: Write) -> None:
        if write.kind != VECTOR_COLLECTION or not write.actor.startswith("op-"):
            return
        mine = self._claims.held(write.new) if write.new is not None else None
        if write.new is None or mine is None or schema_of(write.new) is None:
            return
        said = write.new["status"].get("milvus", {}).get("indexes", ())
        noted = self._noted.setdefault((*mine, write.new["metadata"]["uid"]), set())
        noted |= {index["field"] for index in said}
        engine = self._fleet.at_home(mine[0])
        if isinstance(engine, ModelMilvus) and _is_said_to_be_ready(write.new):
            self._check_ready(write, write.new, engine, mine[1])

    def _check_ready(
        self, write: Write, manifest: Manifest, engine: ModelMilvus, name: str
    ) -> None:
        """Whatever a client has taken away lately may not be known yet."""
        old = self._safety.lengthened(KNOWN_S, write.actor)
        found = engine.collections.get(name)
        if not isinstance(found, MilvusCollection) or engine.has_lost_since(name, write.at - old):
            return
        schema, told = schema_of(manifest), f"{write.key} is said to be ready"
        missing = [
            field["name"]
            for field in (schema or {}).get("fields", ())
            if found.form.find(field["name"]) is None
        ]
        if missing:
            self._safety.says(write.actor, f"{told} without its fields {missing}")
        without = found.without_index
        if without is not None:
            self._safety.says(write.actor, f"{told} without an index for {without.name!r}")

    def _changed(self, change: Change) -> None:
        """What is dropped takes all with it; what a client sets or drops is the client's."""
        for home, name, uid in self._noted:
            if (home, name) != (change.home, change.name):
                continue
            noted = self._noted[home, name, uid]
            if change.call == "drop":
                noted.clear()
            elif change.call in ("drop_index", "drop_field_index", "create_index"):
                noted.discard(str(change.detail))


def _is_said_to_be_ready(manifest: Manifest) -> bool:
    """Tell whether the object is ready by a status that is of its spec. Ready stays as it was while
    the object is suspended.
    """
    is_current = manifest["status"].get("observedGeneration") == manifest["metadata"]["generation"]
    is_at_work = not manifest["spec"].get("suspend", False)
    return is_current and is_at_work and ready_status(manifest) == "True"
