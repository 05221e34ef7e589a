"""What can be decided about a VectorCollection: a verdict, and the steps that lead to it."""

from dataclasses import dataclass

from quiver.domain.collections import Binding, Claim, CollectionSchema, Index, Placement
from quiver.domain.conditions import Verdict
from quiver.domain.kubernetes_types import Manifest
from quiver.ports.kubernetes import Event


@dataclass(frozen=True)
class RecordClaim:
    """Write claim and finalizer, in one PATCH."""

    claim: Claim


@dataclass(frozen=True)
class ReplaceClaim:
    """Write the claim into the status, where one stands that is of another server."""

    claim: Claim


@dataclass(frozen=True)
class KeepFinalizer:
    """Write the finalizer, which somebody has taken off."""


@dataclass(frozen=True)
class NoteRetained:
    """Write into the engine's status whose namespace had a collection that stays on it, and how
    much that is (NAMESPACE/NUMBER); None where it is somebody's again.
    """

    claim: Claim
    owner: str | None


@dataclass(frozen=True)
class CreateCollection:
    schema: CollectionSchema


@dataclass(frozen=True)
class DropCollection:
    name: str


@dataclass(frozen=True)
class CreatePartition:
    tag: str


@dataclass(frozen=True)
class DropPartition:
    tag: str


@dataclass(frozen=True)
class SetIndex:
    """Begin to build an index, or drop it (None)."""

    index: Index | None


@dataclass(frozen=True)
class ApplySecret:
    manifest: Manifest


@dataclass(frozen=True)
class DeleteSecret:
    manifest: Manifest


@dataclass(frozen=True)
class PublishEvent:
    """Publish an Event."""

    event: Event


@dataclass(frozen=True)
class Release:
    """Take the finalizer away: the object may go."""


EngineStep = CreateCollection | DropCollection | CreatePartition | DropPartition | SetIndex
ClaimStep = RecordClaim | ReplaceClaim | KeepFinalizer
Step = ClaimStep | NoteRetained | EngineStep | ApplySecret | DeleteSecret | PublishEvent | Release


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The steps, in order, and the verdict that holds once all of them are done.

    `retry` asks to come back without waiting for a change. `claim`, `placement` and `binding` go
    into the status. `converged`: the engine has then taken all that the spec says, whatever the
    verdict, but for `kept_partitions`, which the spec no longer lists and which are yet to go.
    `retained_partitions` stay for good though the spec no longer lists them. `made_partitions` are
    those that were made before a step failed.
    """

    verdict: Verdict
    steps: tuple[Step, ...] = ()
    retry: bool = False
    converged: bool = False
    kept_partitions: tuple[str, ...] = ()
    retained_partitions: tuple[str, ...] = ()
    made_partitions: tuple[str, ...] = ()
    claim: Claim | None = None
    placement: Placement | None = None
    binding: Binding | None = None
