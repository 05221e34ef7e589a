"""One VectorCollection and all that bears on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quiver.domain.access import PLAIN, Access, Target
from quiver.domain.claims import has_status_claim
from quiver.domain.collections import Claim, ObservedCollection, ObservedIndex, VectorCollection
from quiver.domain.deletion import DeletionPolicy, deletion_policy
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member, has_had
from quiver.domain.placement import NO_LOAD, Load
from quiver.domain.servers import Server
from quiver.ports.errors import EngineError


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a member says of a collection, as far as it was asked.

    `rows` counts all vectors, `partition_rows` those of partitions that the spec no longer lists.
    `failure` is why the member could not be asked.
    """

    collection: ObservedCollection | None = None
    index: ObservedIndex | None = None
    rows: int = 0
    partition_rows: Mapping[str, int] = field(default_factory=dict)
    failure: EngineError | None = None


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What a decision is made from.

    `claim` is the object's, unless the server that is on its member now is another than the one
    that it was made on: then it is `lapsed`. `engine` is None where there is none, `allowed` tells
    whether it takes this namespace, `access` how it is dialled. `claimants` are the other objects
    that claim the collection, `elders` the older ones that ask for its name and claim nothing;
    `holder` is the one of them that has the name. `member` holds the collection, or is to hold it;
    None while there is none that could. `server` is who the member is, None where it could not be
    asked, and `asked_at` when (the loop's time); `is_borrowed` tells that it is an external
    endpoint which leads to a pod of
    Quiver's, `is_elders` that an older VectorEngine of another namespace leads to it, where a
    collection is to be adopted. `gpu_mib` is the memory of a GPU on the member's node, where a
    collection is yet to be placed. `secrets` are those there are, by name, of the binding that is
    wanted and of the one that is published.
    """

    manifest: Manifest
    collection: VectorCollection
    claim: Claim | None = None
    lapsed: Claim | None = None
    engine: VectorEngine | None = None
    allowed: bool = True
    access: Access = PLAIN
    members: tuple[Member, ...] = ()
    load: Load = NO_LOAD
    claimants: tuple[Manifest, ...] = ()
    elders: tuple[Manifest, ...] = ()
    holder: str | None = None
    member: Member | None = None
    server: Server | None = None
    asked_at: float = 0.0
    is_borrowed: bool = False
    is_elders: bool = False
    gpu_mib: int | None = None
    observation: Observation = Observation()
    secrets: Mapping[str, Manifest] = field(default_factory=dict)

    @property
    def status_claim(self) -> Claim | None:
        """The claim that stands in the status, whether it has lapsed or not. One of an annotation
        gets there only with what it was made for: it may have been given up and put back.
        """
        return (self.claim or self.lapsed) if has_status_claim(self.manifest) else None

    @property
    def engine_there(self) -> VectorEngine:
        assert self.engine is not None, "no policy does anything without an engine"
        return self.engine

    @property
    def may_be_placed(self) -> bool:
        """Whether the object may get a collection that it does not have."""
        collection = self.collection
        is_wanted = not collection.metadata.deleting and not collection.spec.suspend
        return self.engine is not None and self.allowed and is_wanted

    @property
    def target(self) -> Target:
        """Whom to call about the collection: the member, as long as it is who it was."""
        assert self.member is not None, "no policy asks an engine for anything without a member"
        return self.member.target(self.server.instance if self.server else None)

    @property
    def observed(self) -> ObservedCollection | None:
        return self.observation.collection

    @property
    def collection_name(self) -> str:
        """The collection that the object holds, or wants while it holds none."""
        return self.claim.collection_name if self.claim else self.collection.collection_name

    @property
    def deletion_policy(self) -> DeletionPolicy:
        origin = self.claim.origin if self.claim else None
        default = self.engine.spec.default_deletion_policy if self.engine else None
        return deletion_policy(self.collection.spec.deletion_policy, origin, default)

    @property
    def member_name(self) -> str:
        """Where the collection is, or would be."""
        claim = self.claim or self.lapsed
        if claim is not None:
            return claim.member
        return self.member.name if self.member else self.collection.spec.engine_ref.name

    @property
    def member_is_gone(self) -> bool:
        """Whether the claim names an endpoint that an external engine no longer lists, or a pod
        that the engine never had.
        """
        claim = self.claim or self.lapsed
        return (
            self.engine is not None and claim is not None and not has_had(self.engine, claim.member)
        )

    @property
    def is_guest(self) -> bool:
        """Whether the engine is another namespace's."""
        own = self.collection.metadata.namespace
        return self.engine is not None and self.engine.metadata.namespace != own

    @property
    def size(self) -> int:
        """How many collections and partitions the object asks for."""
        return 1 + len(self.collection.spec.partitions)

    @property
    def growth(self) -> int:
        """How many partitions the object asks for that do not count as its own yet."""
        return len(set(self.collection.spec.partitions) - self.collection.status.partitions_there)

    @property
    def asked_for(self) -> int:
        """How many collections and partitions the object asks for besides those that count."""
        return self.size if self.claim is None and self.lapsed is None else self.growth

    @property
    def limit(self) -> int:
        """How many collections and partitions a member of the engine takes."""
        return self.engine.spec.limits.max_collections_and_partitions if self.engine else 0

    @property
    def share(self) -> int | None:
        """How many of the engine's collections and partitions this namespace may have, if there is
        a limit to that: guests have one where the engine says so.
        """
        if self.engine is None or not self.is_guest:
            return None
        return self.engine.spec.limits.max_per_namespace

    @property
    def has_share(self) -> bool:
        """Whether the namespace may have all that the object asks for."""
        namespace = self.collection.metadata.namespace
        had = self.load.namespaces.get(namespace, 0)
        if self.engine is not None:
            # What it is about to take up again is not counted twice.
            had += self.engine.status.retained_of(namespace, but=self.collection_name)
        return self.share is None or had + self.asked_for <= self.share

    @property
    def grows_within_limits(self) -> bool:
        """Whether there is room for what a claimed collection asks for and does not have."""
        had = self.load.members.get(self.member_name, 0)
        return self.has_share and had + self.growth <= self.limit
