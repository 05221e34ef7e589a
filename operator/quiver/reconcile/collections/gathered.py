"""One VectorCollection and all that bears on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quiver.domain.access import PLAIN, Access
from quiver.domain.collections import Claim, ObservedCollection, ObservedIndex, VectorCollection
from quiver.domain.deletion import DeletionPolicy, deletion_policy
from quiver.domain.engines import VectorEngine
from quiver.domain.members import Member
from quiver.domain.objects import Manifest
from quiver.ports.errors import EngineError


@dataclass(frozen=True, kw_only=True)
class Report:
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

    `engine` is None where there is none, `allowed` tells whether it takes this namespace, `access`
    how it is dialled. `holder` is another object that has our collection's name. `member` holds the
    collection, or is to hold it; None while there is none that could. `gpu_mib` is the memory of a
    GPU on the member's node, where a collection is yet to be placed. `secrets` are those there are,
    by name, of the binding that is wanted and of the one that is published.
    """

    manifest: Manifest
    collection: VectorCollection
    claim: Claim | None = None
    engine: VectorEngine | None = None
    allowed: bool = True
    access: Access = PLAIN
    members: tuple[Member, ...] = ()
    load: Mapping[str, int] = field(default_factory=dict)
    holder: str | None = None
    member: Member | None = None
    gpu_mib: int | None = None
    report: Report = Report()
    secrets: Mapping[str, Manifest] = field(default_factory=dict)

    @property
    def observed(self) -> ObservedCollection | None:
        return self.report.collection

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
        if self.claim is not None:
            return self.claim.member
        return self.member.name if self.member else self.collection.spec.engine_ref.name

    @property
    def member_is_gone(self) -> bool:
        """Whether the claim names an endpoint that an external engine no longer lists."""
        external = self.engine is not None and self.engine.spec.external is not None
        return external and self.claim is not None and self.member is None

    @property
    def size(self) -> int:
        """How many collections and partitions the object asks for."""
        return 1 + len(self.collection.spec.partitions)

    @property
    def limit(self) -> int:
        """How many collections and partitions a member of the engine takes."""
        return self.engine.spec.limits.max_collections_and_partitions if self.engine else 0
