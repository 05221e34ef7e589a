"""How everything must stand once faults have ceased: a second, small model of what specs mean."""

from collections.abc import Iterator

from fakes.engine import FakeCollection
from quiver.domain.claims import claim_of
from quiver.domain.collections import Index
from quiver.domain.conditions import ready_reason
from quiver.domain.objects import POD, SECRET, VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from simulation.api_server import ApiServer
from simulation.engines import Fleet, Home
from simulation.history import engine_key, held, policy_of, schema_of


class Outcome:
    """Judges the state at rest."""

    def __init__(self, server: ApiServer, fleet: Fleet) -> None:
        self._server = server
        self._fleet = fleet

    def complaints(self) -> Iterator[str]:
        """Yield a sentence for each thing that is not as it should be."""
        for manifest in self._server.all(VECTOR_COLLECTION):
            yield from self._about_collection(manifest)
        for manifest in self._server.all(VECTOR_ENGINE):
            yield from self._about_engine(manifest)

    def _about_engine(self, manifest: Manifest) -> Iterator[str]:
        said, allowed = ready_reason(manifest), {"Available", "ScaledToZero", "ScaleDownBlocked"}
        if said not in allowed:
            yield f"VectorEngine {Key.of(manifest)} says {said}, not one of {sorted(allowed)}"

    def _about_collection(self, manifest: Manifest) -> Iterator[str]:
        name, said = f"VectorCollection {Key.of(manifest)}", ready_reason(manifest)
        if "deletionTimestamp" in manifest["metadata"]:
            expected = self._reasons_to_wait(manifest)
            if said not in expected:
                yield f"{name} is being deleted and says {said}, not {expected or 'goodbye'}"
            return
        if manifest["status"].get("observedGeneration") != manifest["metadata"]["generation"]:
            yield f"{name} has an observedGeneration that is not its generation"
        if manifest["spec"].get("suspend"):
            types = {c["type"] for c in manifest["status"]["conditions"]}
            if "Suspended" not in types:
                yield f"{name} is suspended and does not say so"
            return
        should = self._reason(manifest)
        if said != should:
            yield f"{name} says {said}, and should say {should}"
        elif said == "Available":
            yield from self._about_available(manifest, name)

    def _about_available(self, manifest: Manifest, name: str) -> Iterator[str]:
        found = self._found(manifest)
        if found is None:
            yield f"{name} is Available without its collection"
            return
        spec = manifest["spec"]
        missing = [tag for tag in spec.get("partitions", ()) if tag not in found.rows]
        if missing:
            yield f"{name} is Available without its partitions {missing}"
        index = spec.get("index")
        if index and found.index != Index(type=index["type"], params=index["params"]):
            yield f"{name} is Available with index {found.index}, not {index}"
        binding = spec.get("binding")
        if binding:
            key = Key(manifest["metadata"]["namespace"], binding["secretName"])
            if self._server.find(SECRET, key) is None:
                yield f"{name} is Available without its Secret"

    def _reasons_to_wait(self, manifest: Manifest) -> set[str]:
        """Return the reasons for which an object that is being deleted may still be there."""
        mine = held(manifest)
        engine = self._server.find(VECTOR_ENGINE, engine_key(manifest))
        if mine is None or engine is None or policy_of(manifest, engine) == "Retain":
            return set()
        if "external" not in engine["spec"] and not self._is_ready(mine[0]):
            return {"EngineNotReady"}
        found = self._fleet.data_of(mine[0]).get(mine[1])
        if policy_of(manifest, engine) == "DeleteIfEmpty" and found and sum(found.rows.values()):
            return {"NotEmpty"}
        return set()

    def _reason(self, manifest: Manifest) -> str:
        engine = self._server.find(VECTOR_ENGINE, engine_key(manifest))
        if engine is None:
            return "EngineNotFound"
        if not _is_allowed(engine, manifest):
            return "NamespaceNotAllowed"
        if claim_of(manifest) is None:
            return self._reason_without_claim(manifest, engine)
        return self._reason_with_claim(manifest, engine)

    def _reason_with_claim(self, manifest: Manifest, engine: Manifest) -> str:
        mine = held(manifest)
        assert mine is not None
        external = engine["spec"].get("external")
        if external is not None and mine[0].name not in external["endpoints"]:
            return "MemberGone"
        if external is None and not self._is_ready(mine[0]):
            return "EngineNotReady"
        found = self._found(manifest)
        had = found.rows if found is not None else manifest["status"].get("partitions", ())
        is_new = set(manifest["spec"].get("partitions", ())) - set(had)
        if is_new and self._load(engine, mine[0]) > _limit(engine):
            return "QuotaExceeded"
        return self._reason_on_member(manifest, engine, found)

    def _reason_on_member(
        self, manifest: Manifest, engine: Manifest, found: FakeCollection | None
    ) -> str:
        if found is not None and _schema(found) != schema_of(manifest):
            return "SpecDiffers"
        if self._is_secret_foreign(manifest):
            return "BindingConflict"
        if found is not None and self._holds_what_should_go(manifest, engine, found):
            return "NotEmpty"
        return "Available"

    def _reason_without_claim(self, manifest: Manifest, engine: Manifest) -> str:
        members = [m for m in self._members(engine) if self._is_ready(m)]
        limit, size = _limit(engine), 1 + len(manifest["spec"].get("partitions", ()))
        with_room = [m for m in members if self._load(engine, m) + size <= limit]
        chosen = min(with_room, key=lambda m: (self._load(engine, m), m.name), default=None)
        if self._is_name_taken(manifest, engine, chosen):
            return "NameTaken"
        if not members:
            return "EngineNotReady"
        if chosen is None:
            return "QuotaExceeded"
        found = self._fleet.data_of(chosen).get(schema_of(manifest)[0])
        may_adopt = manifest["spec"]["adoptionPolicy"] == "IfIdentical"
        if found is None or (may_adopt and _schema(found) == schema_of(manifest)):
            return "Available"
        return "AlreadyExists"

    def _is_name_taken(self, manifest: Manifest, engine: Manifest, chosen: Home | None) -> bool:
        name, metadata = schema_of(manifest)[0], manifest["metadata"]
        mine = metadata["creationTimestamp"], metadata["uid"]
        for other in self._server.all(VECTOR_COLLECTION):
            theirs = other["metadata"]["creationTimestamp"], other["metadata"]["uid"]
            if theirs == mine:
                continue
            if chosen is not None and held(other) == (chosen, name) and not chosen.namespace:
                return True
            if engine_key(other) != engine_key(manifest) or schema_of(other)[0] != name:
                continue
            if claim_of(other) is not None or (theirs < mine and _is_allowed(engine, other)):
                return True
        return False

    def _found(self, manifest: Manifest) -> FakeCollection | None:
        mine = held(manifest)
        return self._fleet.data_of(mine[0]).get(mine[1]) if mine else None

    def _members(self, engine: Manifest) -> list[Home]:
        """Return where new collections of the engine may go."""
        external = engine["spec"].get("external")
        if external is not None:
            return [Home("", endpoint) for endpoint in external["endpoints"]]
        key = Key.of(engine)
        return [Home(key.namespace, f"{key.name}-{n}") for n in range(engine["spec"]["replicas"])]

    def _is_ready(self, home: Home) -> bool:
        if not home.namespace:
            return True
        pod = self._server.find(POD, Key(*home))
        conditions = pod.get("status", {}).get("conditions", ()) if pod else ()
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _load(self, engine: Manifest, home: Home) -> int:
        return sum(
            1 + len(manifest["spec"].get("partitions", ()))
            for manifest in self._server.all(VECTOR_COLLECTION)
            if engine_key(manifest) == Key.of(engine)
            and (mine := held(manifest)) is not None
            and mine[0] == home
        )

    def _is_secret_foreign(self, manifest: Manifest) -> bool:
        binding, metadata = manifest["spec"].get("binding"), manifest["metadata"]
        if not binding:
            return False
        secret = self._server.find(SECRET, Key(metadata["namespace"], binding["secretName"]))
        owners = secret["metadata"].get("ownerReferences", ()) if secret else ()
        return bool(secret) and all(o["uid"] != metadata["uid"] for o in owners)

    def _holds_what_should_go(
        self, manifest: Manifest, engine: Manifest, found: FakeCollection
    ) -> bool:
        if policy_of(manifest, engine) != "DeleteIfEmpty":
            return False
        listed = manifest["spec"].get("partitions", ())
        kept = [t for t in manifest["status"].get("partitions", ()) if t not in listed]
        return sum(found.rows.get(tag, 0) for tag in kept) > 0


def _is_allowed(engine: Manifest, collection: Manifest) -> bool:
    same = bool(engine["metadata"]["namespace"] == collection["metadata"]["namespace"])
    return same or engine["spec"].get("allowedNamespaces", {}).get("from") == "All"


def _limit(engine: Manifest) -> int:
    limits: Manifest = engine["spec"].get("limits", {})
    return int(limits.get("maxCollectionsAndPartitions", 4096))


def _schema(found: FakeCollection) -> tuple[str, int, int, str]:
    schema = found.schema
    return schema.name, schema.dimension, schema.index_file_size, schema.metric_type
