"""How everything must stand once faults have ceased: a second, small model of what specs mean."""

from collections import Counter
from collections.abc import Iterator

from quiver.domain.claims import FINALIZER
from quiver.domain.collections import Claim
from quiver.domain.conditions import ready_reason
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import (
    POD,
    POD_DISRUPTION_BUDGET,
    SECRET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from quiver.domain.servers import Server
from simulation.api_server import ApiServer
from simulation.claims import Claims, partitions_there
from simulation.engines import Fleet, Home
from simulation.history import engine_key, fits, name_of
from simulation.milvus_forms import schema_of
from simulation.milvus_outcome import MilvusOutcome
from simulation.milvus_specs import is_on_milvus
from support.fake_server import FakeCollection


class Outcome:
    """Judges the state at rest."""

    def __init__(
        self, server: ApiServer, fleet: Fleet, claims: Claims, milvus: MilvusOutcome
    ) -> None:
        self._milvus = milvus
        self._server = server
        self._fleet = fleet
        self._claims = claims

    def complaints(self) -> Iterator[str]:
        """Yield a sentence for each thing that is not as it should be."""
        for manifest in self._server.all(VECTOR_COLLECTION):
            yield from self._about_collection(manifest)
        for manifest in self._server.all(VECTOR_ENGINE):
            yield from self._about_engine(manifest)

    def _about_engine(self, manifest: Manifest) -> Iterator[str]:
        said, allowed = ready_reason(manifest), {"Available", "ScaledToZero", "ScaleDownBlocked"}
        if "deletionTimestamp" in manifest["metadata"]:
            allowed = {"DeletionBlocked"} if self._holds_collections(manifest) else set()
        name = f"VectorEngine {Key.of(manifest)}"
        for complaint in self._milvus.about_engine(manifest):
            yield f"{name} {complaint}"
        if said not in allowed:
            yield f"{name} says {said}, not one of {sorted(allowed)}"
        if not {"external", "storage"} & manifest["spec"].keys():
            budget = self._server.find(POD_DISRUPTION_BUDGET, Key.of(manifest))
            if budget is None or budget["spec"]["maxUnavailable"] != 0:
                yield f"{name} has no storage, and pods that may be evicted"

    def _holds_collections(self, engine: Manifest) -> bool:
        claims = (
            self._claims.of(m)
            for m in self._server.all(VECTOR_COLLECTION)
            if engine_key(m) == Key.of(engine)
        )
        return any(c is not None and _member_of(engine, c, self._fleet) for c in claims)

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
        yield from self._about_kind(manifest, name, found)
        binding = spec.get("binding")
        if binding:
            key = Key(manifest["metadata"]["namespace"], binding["secretName"])
            if self._server.find(SECRET, key) is None:
                yield f"{name} is Available without its Secret"

    def _about_kind(self, manifest: Manifest, name: str, found: FakeCollection) -> Iterator[str]:
        """Yield what the engine's type decides: how the index is told, and what else there is."""
        status, spec = manifest["status"], manifest["spec"]
        shown = (status.get("indexFileSize"), status.get("metricType"))
        if is_on_milvus(manifest):
            for complaint in self._milvus.complaints(manifest, self._claims.held(manifest)):
                yield f"{name} is Available {complaint}"
            metric = None if schema_of(manifest) else spec.get("metricType", "L2")
            fixed: tuple[int | None, str | None] = (None, metric)
        else:
            fixed = (found.schema.index_file_size, found.schema.metric_type)
            index = spec.get("index")
            if index and found.index != Index(type=index["type"], params=index["params"]):
                yield f"{name} is Available with index {found.index}, not {index}"
        if shown != fixed:
            yield f"{name} is Available and shows {shown}, not {fixed}"

    def _reasons_to_wait(self, manifest: Manifest) -> set[str]:
        """Return the reasons for which an object that is being deleted may still be there."""
        if FINALIZER not in manifest["metadata"].get("finalizers", ()):
            return {"Released"}
        claim = self._claims.of(manifest)
        engine = self._server.find(VECTOR_ENGINE, engine_key(manifest))
        if claim is None or engine is None:
            return set()
        policy = self._claims.policy_of(manifest, engine)
        if policy == "Retain":
            return set()
        member = _member_of(engine, claim, self._fleet)
        if member is not None and not self._is_ready(member):
            return {"EngineNotReady"}
        mine = self._claims.held(manifest)
        found = self._fleet.data_of(mine[0]).get(mine[1]) if mine else None
        if self._milvus.is_aliased(manifest, mine):
            return {"Aliased"}
        holds_rows = policy == "DeleteIfEmpty" and found and sum(found.rows.values())
        return {"NotEmpty"} if holds_rows else set()

    def _reason(self, manifest: Manifest) -> str:
        engine = self._server.find(VECTOR_ENGINE, engine_key(manifest))
        if engine is None:
            return "EngineNotFound"
        if not _is_allowed(engine, manifest):
            return "NamespaceNotAllowed"
        claim = self._claims.of(manifest)
        if claim is None:
            if "deletionTimestamp" in engine["metadata"]:
                return "EngineNotFound"
            return self._reason_without_claim(manifest, engine)
        return self._reason_of_claimed(manifest, engine, claim)

    def _reason_of_claimed(self, manifest: Manifest, engine: Manifest, claim: Claim) -> str:
        member = _member_of(engine, claim, self._fleet)
        if member is None:
            return "MemberGone"
        if not self._is_ready(member):
            return "NameTaken" if self._is_taken(manifest, engine, None) else "EngineNotReady"
        if not self._fleet.is_on(claim, member, engine["metadata"]["uid"]):
            if "deletionTimestamp" in engine["metadata"]:
                return "EngineNotFound"  # a claim that has lapsed is not replaced
            return self._reason_on(manifest, engine, member)
        if self._milvus.is_too_new(manifest, member):
            return "VersionTooOld"
        return self._reason_with_claim(manifest, engine)

    def _reason_with_claim(self, manifest: Manifest, engine: Manifest) -> str:
        found, mine = self._found(manifest), self._claims.held(manifest)
        if self._is_refused_more(manifest, engine, found):
            return "QuotaExceeded"
        before = self._milvus.reason_before(manifest, engine, mine, is_mine=True)
        if before:
            return before
        if self._holds_another(manifest, found):
            return "SpecDiffers"
        if self._is_secret_foreign(manifest):
            return "BindingConflict"
        if found is not None and self._holds_what_should_go(manifest, engine, found):
            return "NotEmpty"
        is_behind = self._milvus.keeps_properties(manifest, mine)
        is_behind |= self._milvus.stays_small(manifest, mine)
        return "VersionTooOld" if is_behind else "Available"

    def _holds_another(self, manifest: Manifest, found: FakeCollection | None) -> bool:
        """Tell whether what the object claims is not what its spec says."""
        claim, held = self._claims.of(manifest), self._claims.held(manifest)
        if found is not None:
            is_same = fits(manifest, found.schema)
            return not is_same or self._milvus.has_other_metric(manifest, held, is_mine=True)
        if self._milvus.is_alias(manifest, held):
            return True
        return claim is not None and claim.collection_name != name_of(manifest)

    def _is_refused_more(
        self, manifest: Manifest, engine: Manifest, found: FakeCollection | None
    ) -> bool:
        had = found.rows if found is not None else manifest["status"].get("partitions", ())
        is_new = set(_tags(manifest)) - set(had)
        return bool(is_new) and not self._has_room(manifest, engine, self._growth(manifest))

    def _growth(self, manifest: Manifest) -> int:
        wanted = {*_tags(manifest), *partitions_there(manifest["status"])}
        return max(0, 1 + len(wanted) - self._claims.size_of(manifest))

    def _has_room(self, manifest: Manifest, engine: Manifest, more: int) -> bool:
        claim, namespace = self._claims.of(manifest), manifest["metadata"]["namespace"]
        assert claim is not None
        members, namespaces = self._load(engine, claim.collection_name)
        if namespaces[namespace] + more > _share(engine, namespace):
            return False
        return members[claim.member] + more <= _limit(engine)

    def _reason_without_claim(self, manifest: Manifest, engine: Manifest) -> str:
        members, namespaces = self._load(engine, name_of(manifest))
        namespace, size = manifest["metadata"]["namespace"], 1 + len(_tags(manifest))
        ready = [m for m in _members(engine) if self._is_ready(_home(engine, m, self._fleet))]
        has_share = namespaces[namespace] + size <= _share(engine, namespace)
        with_room = [m for m in ready if has_share and members[m] + size <= _limit(engine)]
        chosen = min(with_room, key=lambda m: (members[m], m), default=None)
        if self._is_taken(manifest, engine, chosen):
            return "NameTaken"
        if not ready:
            return "EngineNotReady"
        if self._milvus.is_too_new(manifest, _home(engine, ready[0], self._fleet)):
            return "VersionTooOld"
        if chosen is None:
            return "QuotaExceeded"
        return self._reason_on(manifest, engine, _home(engine, chosen, self._fleet))

    def _reason_on(self, manifest: Manifest, engine: Manifest, home: Home) -> str:
        """Return what is said of an object without a claim on what the member holds."""
        claim = self._claims.of(manifest)
        if claim is not None and self._is_taken(manifest, engine, claim.member):
            return "NameTaken"
        found = self._fleet.data_of(home).get(name_of(manifest))
        if self._milvus.is_too_new(manifest, home):
            return "VersionTooOld"
        if claim is not None and self._is_refused_more(manifest, engine, found):
            return "QuotaExceeded"
        place = home, name_of(manifest)
        before = self._milvus.reason_before(manifest, engine, place, is_mine=False)
        if before:
            return before
        if found is None:
            return "AlreadyExists" if self._milvus.is_alias(manifest, place) else "Available"
        is_mine = self._claims.held(manifest) == place
        is_same = fits(manifest, found.schema, may_grow=False)
        is_same &= not self._milvus.has_other_metric(manifest, place, is_mine=is_mine)
        asks = manifest["spec"]["adoptionPolicy"] == "IfIdentical"
        may = asks and is_same and self._may_adopt(manifest, engine, home)
        return "Available" if may else "AlreadyExists"

    def _may_adopt(self, manifest: Manifest, engine: Manifest, home: Home) -> bool:
        namespace = manifest["metadata"]["namespace"]
        allowed = engine["spec"].get("allowedNamespaces", {}).get("mayAdopt")
        if allowed or engine["metadata"]["namespace"] == namespace:
            return True
        data = self._fleet.at_home(home)
        place = None if home.namespace else home.name
        instance = data.instance if data is not None else None
        server = Server(engine["metadata"]["uid"], instance, place).identity
        left = f"{server}/{name_of(manifest)}"
        owner = engine["status"].get("retained", {}).get(left, "")
        return bool(owner.partition("/")[0] == namespace)

    def _is_taken(self, manifest: Manifest, engine: Manifest, member: str | None) -> bool:
        """Tell whether another has the name on the engine, or on the server behind the member."""
        name, metadata = name_of(manifest), manifest["metadata"]
        mine = metadata["creationTimestamp"], metadata["uid"]
        own = self._claims.of(manifest)
        has_claim = own is not None
        home = _home(engine, member, self._fleet) if member is not None else None
        if own is not None and home is not None and not home.namespace:
            # A claim on the server that the endpoint led to before has lapsed.
            own = own if self._claims.held(manifest) == (home, own.collection_name) else None
        for other in self._server.all(VECTOR_COLLECTION):
            theirs = other["metadata"]["creationTimestamp"], other["metadata"]["uid"]
            claim = self._claims.of(other)
            if theirs == mine:
                continue
            is_same_engine = engine_key(other) == engine_key(manifest)
            if claim is None:
                stays = "deletionTimestamp" not in other["metadata"]
                wants = stays and is_same_engine and name_of(other) == name
                if wants and _is_allowed(engine, other) and theirs < mine and not has_claim:
                    return True
                continue
            if claim.collection_name != name or (own is not None and theirs > mine):
                continue
            is_there = is_same_engine or claim.engine_uid == engine["metadata"]["uid"]
            is_there |= member is not None and ":" in member and claim.member == member
            held = self._claims.held(other)
            is_there |= home is not None and not home.namespace and held == (home, name)
            if is_there:
                return True
        return False

    def _found(self, manifest: Manifest) -> FakeCollection | None:
        mine = self._claims.held(manifest)
        return self._fleet.data_of(mine[0]).get(mine[1]) if mine else None

    def _is_ready(self, home: Home) -> bool:
        if not home.namespace:
            return True
        pod = self._server.find(POD, Key(*home))
        conditions = pod.get("status", {}).get("conditions", ()) if pod else ()
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _load(self, engine: Manifest, own: str) -> tuple[Counter[str], Counter[str]]:
        """Return what is claimed, and there: on each member, and of each namespace. What was left
        under the name `own` does not count: who asks for that name may take it up again.
        """
        members, namespaces = Counter[str](), Counter[str]()
        for manifest in self._server.all(VECTOR_COLLECTION):
            claim = self._claims.of(manifest)
            if claim is not None and engine_key(manifest) == Key.of(engine):
                size = self._claims.size_of(manifest)
                members[claim.member] += size
                namespaces[manifest["metadata"]["namespace"]] += size
        for place, owner in engine["status"].get("retained", {}).items():
            if place.partition("/")[2] == own:
                continue
            name, _, size = owner.partition("/")
            namespaces[name] += int(size)
        return members, namespaces

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
        if self._claims.policy_of(manifest, engine) != "DeleteIfEmpty":
            return False
        listed = manifest["spec"].get("partitions", ())
        kept = [t for t in manifest["status"].get("partitions", ()) if t not in listed]
        return sum(found.rows.get(tag, 0) for tag in kept) > 0


def _members(engine: Manifest) -> list[str]:
    """Return where new collections of the engine may go."""
    external = engine["spec"].get("external")
    if external is not None:
        return list(external["endpoints"])
    return [f"{engine['metadata']['name']}-{n}" for n in range(engine["spec"]["replicas"])]


def _home(engine: Manifest, member: str, fleet: Fleet) -> Home:
    if ":" in member:
        return fleet.server_behind(member)
    return Home(engine["metadata"]["namespace"], member)


def _member_of(engine: Manifest, claim: Claim, fleet: Fleet) -> Home | None:
    """Return what a claim's member leads to now; None where the engine has, and had, none such."""
    external = engine["spec"].get("external")
    if external is not None:
        listed = claim.member in external["endpoints"]
        return fleet.server_behind(claim.member) if listed else None
    name, _, ordinal = claim.member.rpartition("-")
    highest = max(engine["status"].get("highestReplicas", 0), engine["spec"]["replicas"])
    is_number = ordinal.isascii() and ordinal.isdigit()
    if name != engine["metadata"]["name"] or not is_number or int(ordinal) >= highest:
        return None
    return _home(engine, claim.member, fleet)


def _tags(manifest: Manifest) -> list[str]:
    return list(manifest["spec"].get("partitions", ()))


def _share(engine: Manifest, namespace: str) -> int:
    if engine["metadata"]["namespace"] == namespace:
        return 1_000_000
    return int(engine["spec"].get("limits", {}).get("maxPerNamespace", 1_000_000))


def _is_allowed(engine: Manifest, collection: Manifest) -> bool:
    same = bool(engine["metadata"]["namespace"] == collection["metadata"]["namespace"])
    return same or engine["spec"].get("allowedNamespaces", {}).get("from") == "All"


def _limit(engine: Manifest) -> int:
    limits: Manifest = engine["spec"].get("limits", {})
    return int(limits.get("maxCollectionsAndPartitions", 4096))
