"""One VectorCollection, and all that a decision about it depends on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import structs

from quiver.domain.access import PLAIN, Access, Target
from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.claims import has_status_claim, is_endpoint, reserved_partitions_of
from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedIndex,
    ObservedLoad,
)
from quiver.domain.collections import OWNER_PROPERTY, Claim, VectorCollection
from quiver.domain.deletion import DeletionPolicy, deletion_policy
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member, has_had
from quiver.domain.milvus_forms import grown
from quiver.domain.milvus_schemas import MilvusSchema
from quiver.domain.milvus_versions import MilvusVersion, parse_version
from quiver.domain.placement import NO_LOAD, Load
from quiver.domain.servers import Server
from quiver.domain.text import few
from quiver.ports.errors import EngineError

FIELDS = 300
"""Characters about fields that a message quotes."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a member reported about a collection, as far as the reconcile needs it.

    `rows` counts all vectors, `partition_rows` those of partitions that the spec no longer lists.
    `indexes` are those of a long form, by field. `load` is None on engines that load no
    collections. `has_database` tells whether the collection's database exists. `failure` is the
    error of a call to the member.
    """

    collection: ObservedCollection | None = None
    index: ObservedIndex | None = None
    indexes: Mapping[str, ObservedFieldIndex] = field(default_factory=dict)
    rows: int = 0
    partition_rows: Mapping[str, int] = field(default_factory=dict)
    load: ObservedLoad | None = None
    has_database: bool = True
    failure: EngineError | None = None


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What a decision is made from.

    `claim` is the object's claim. If another server than the claimed one is behind the member now,
    `claim` is None and `lapsed` has the claim. `engine` is None if it does not exist, or
    if the operator does not watch its namespace (`engine_is_watched`). `allowed` tells whether the
    engine admits the object's namespace.

    `load` includes what running reconciles have reserved, `load_at_rest` does not.

    `claimants` are the other objects that claim the collection. `elders` are older objects that ask
    for its name and have no claim. `holder` is the object among these that has the name, and
    `holder_is_going` tells whether it is being deleted.

    `member` holds the collection, or is to hold it; None while no member can. `server` is the
    member's identity, None if it could not be asked, and `asked_at` the time of the question (the
    loop's). `is_borrowed`: the member is an external endpoint that leads to a pod of Quiver's.
    `is_elders`: the object wants to adopt a collection on a server that may belong to an older
    VectorEngine of another namespace. `marked_by` is the object whose mark the collection carries,
    if it is another one that exists.

    `is_crd_deleted`: the object goes, its collection is to go too, and the CustomResourceDefinition
    of VectorCollections is being deleted. `is_namespace_going` is asked of a protected object that
    is being deleted.

    `gpu_mib` is the memory of one GPU on the member's node, read only until the collection is
    placed. `secrets` has, by name, the existing Secrets of the wanted and the published binding.
    `secrets_refusal` is None unless the operator may not read them: then it says so, with the cure.
    """

    manifest: Manifest
    collection: VectorCollection
    claim: Claim | None = None
    lapsed: Claim | None = None
    engine: VectorEngine | None = None
    engine_is_watched: bool = True
    allowed: bool = True
    access: Access = PLAIN
    members: tuple[Member, ...] = ()
    load: Load = NO_LOAD
    load_at_rest: Load = NO_LOAD
    claimants: tuple[Manifest, ...] = ()
    elders: tuple[Manifest, ...] = ()
    holder: str | None = None
    holder_is_going: bool = False
    member: Member | None = None
    server: Server | None = None
    asked_at: float = 0.0
    is_borrowed: bool = False
    is_elders: bool = False
    marked_by: str | None = None
    is_crd_deleted: bool = False
    is_namespace_going: bool = False
    gpu_mib: int | None = None
    observation: Observation = Observation()
    secrets: Mapping[str, Manifest] = field(default_factory=dict)
    secrets_refusal: str | None = None

    @property
    def status_claim(self) -> Claim | None:
        """The claim in the status, lapsed or not.

        An annotation's claim is written into the status only by a reconcile that acts on it: the
        claim may have been given up, and a tenant may have restored the annotation.
        """
        return (self.claim or self.lapsed) if has_status_claim(self.manifest) else None

    @property
    def engine_there(self) -> VectorEngine:
        assert self.engine is not None, "no policy does anything without an engine"
        return self.engine

    @property
    def may_be_placed(self) -> bool:
        """Whether the object may be given a member, if it has no collection yet."""
        collection = self.collection
        is_wanted = not collection.metadata.deleting and not collection.spec.suspend
        if self.engine is None or self.engine.metadata.deleting:
            return False
        return self.allowed and is_wanted

    @property
    def target(self) -> Target:
        """The target of calls about the collection: the member, as long as its identity holds."""
        assert self.member is not None, "no policy asks an engine for anything without a member"
        return self.member.target(self.server.instance if self.server else None)

    @property
    def observed(self) -> ObservedCollection | None:
        return self.observation.collection

    @property
    def collection_name(self) -> str:
        """The name of the collection that the object has claimed, or else asks for."""
        return self.claim.collection_name if self.claim else self.collection.collection_name

    @property
    def schema(self) -> CollectionSchema:
        """The schema that the object asks its engine for, with what the spec does not name."""
        return self.collection.schema(self.engine_there.spec.type)

    @property
    def form(self) -> MilvusSchema | None:
        """The long form of the spec, if it has one."""
        return self.collection.spec.form

    @property
    def loads(self) -> bool:
        """Whether the engine loads collections (Capabilities.loads)."""
        return self.engine is not None and CAPABILITIES[self.engine.spec.type].loads

    @property
    def is_loaded(self) -> bool:
        """Whether the collection is in memory already, on an engine that loads collections."""
        return self.observation.load is not None and self.observation.load.state == "Loaded"

    @property
    def milvus_version(self) -> MilvusVersion | None:
        """The version that the engine told last; None if it is unknown, or of another type."""
        told = self.engine.status.version if self.engine is not None and self.loads else None
        return None if told is None else parse_version(told)

    @property
    def was_marked(self) -> bool:
        """Whether the collection had this object's mark once."""
        status = self.collection.status.milvus
        return status is not None and status.load is not None

    @property
    def foreign_mark(self) -> str | None:
        """The mark of another owner that the engine's collection carries, if it does."""
        mark = self.observed.properties.get(OWNER_PROPERTY) if self.observed else None
        return None if mark in (None, "", self.collection.metadata.uid) else mark

    @property
    def differences(self) -> str:
        """What the spec asks for and the engine's collection is not, and cannot become; empty where
        they agree.
        """
        if self.observed is not None:
            return few(self._differences(self.observed), FIELDS)
        # A collection that is gone from the engine is created again under the claimed name only.
        claimed, wanted = self.collection_name, self.collection.collection_name
        return f"collectionName is {claimed}, not {wanted}" if claimed != wanted else ""

    def _differences(self, observed: ObservedCollection) -> Iterator[str]:
        wanted, found = self.schema, observed.schema
        if self.loads and self.claim is not None:
            # The metric is the index's: it comes with the index of the spec.
            going, index = self.collection.metadata.deleting, self.collection.spec.index
            if going or index is not None:
                wanted = structs.replace(wanted, metric_type=None)
            if self.form is not None and found.form is not None:
                found = structs.replace(found, form=grown(self.form, found.form))
        yield from wanted.differences(found)
        if observed.other_fields:
            names = few(map(repr, observed.other_fields), FIELDS)
            yield f"it has fields or functions of kinds that no spec can say ({names})"

    @property
    def deletion_policy(self) -> DeletionPolicy:
        origin = self.claim.origin if self.claim else None
        default = self.engine.spec.default_deletion_policy if self.engine else None
        return deletion_policy(self.collection.spec.deletion_policy, origin, default)

    @property
    def member_name(self) -> str:
        """The name of the member that the collection is on, or would be on."""
        claim = self.claim or self.lapsed
        if claim is not None:
            return claim.member
        return self.member.name if self.member else self.collection.spec.engine_ref.name

    @property
    def member_is_gone(self) -> bool:
        """Whether the claim names an endpoint that the external engine no longer lists, or a pod
        that the engine never had.
        """
        claim = self.claim or self.lapsed
        return (
            self.engine is not None and claim is not None and not has_had(self.engine, claim.member)
        )

    @property
    def engine_is_of_another_kind(self) -> bool:
        """Whether the claim names an endpoint and the engine has pods, or the other way round: it
        was deleted, and another was created under its name.
        """
        claim = self.claim or self.lapsed
        if self.engine is None or claim is None:
            return False
        return is_endpoint(claim.member) != (self.engine.spec.external is not None)

    @property
    def is_guest(self) -> bool:
        """Whether the engine is in another namespace."""
        own = self.collection.metadata.namespace
        return self.engine is not None and self.engine.metadata.namespace != own

    @property
    def size(self) -> int:
        """How many collections and partitions the object asks for."""
        return 1 + len(self.collection.spec.partitions)

    @property
    def growth(self) -> int:
        """How many partitions the object asks for that do not count as its own yet."""
        there = self.collection.status.partitions_there
        missing = len(set(self.collection.spec.partitions) - there)
        return max(0, missing - reserved_partitions_of(self.manifest))

    @property
    def asked_for(self) -> int:
        """How many collections and partitions the object asks for that do not count as its own
        yet.
        """
        return self.size if self.claim is None and self.lapsed is None else self.growth

    @property
    def limit(self) -> int:
        """How many collections and partitions a member of the engine may hold."""
        return self.engine.spec.member_limit if self.engine else 0

    @property
    def share(self) -> int | None:
        """How many collections and partitions this namespace may have on the engine. None means no
        limit: only other namespaces than the engine's have one, if the engine sets it.
        """
        if self.engine is None or not self.is_guest:
            return None
        return self.engine.spec.limits.max_per_namespace

    @property
    def used_of_share(self) -> int:
        """How many collections and partitions the namespace has on the engine."""
        namespace = self.collection.metadata.namespace
        used = self.load.namespaces.get(namespace, 0)
        if self.engine is not None:
            # A retained collection that the object takes up again must not count twice.
            used += self.engine.status.retained_of(namespace, but=self.collection_name)
        return used

    @property
    def has_share(self) -> bool:
        """Whether the namespace may have all that the object asks for."""
        return self.share is None or self.used_of_share + self.asked_for <= self.share

    @property
    def grows_within_limits(self) -> bool:
        """Whether there is room for the partitions that a claimed collection still lacks."""
        used = self.load.members.get(self.member_name, 0)
        return self.has_share and used + self.growth <= self.limit
