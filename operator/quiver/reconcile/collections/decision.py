"""The decision about a VectorCollection: a verdict, and the steps that lead to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quiver.domain.collection_schemas import CollectionSchema, LoadState
from quiver.domain.collections import Binding, Claim, Placement
from quiver.domain.conditions import Verdict
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from quiver.domain.milvus_held import Held
from quiver.ports.kubernetes import Event


@dataclass(frozen=True)
class RecordClaim:
    """Write the claim's annotation and the finalizer, in one PATCH."""

    claim: Claim


@dataclass(frozen=True)
class ReplaceClaim:
    """Write the claim into the status, in place of a claim on another server."""

    claim: Claim


@dataclass(frozen=True)
class KeepFinalizer:
    """Write the finalizer again, which a user has removed."""


@dataclass(frozen=True)
class NoteRetained:
    """Record in the engine's status which namespace retained the collection, and how many
    collections and partitions these are (NAMESPACE/NUMBER). None removes the record, once an object
    has the collection again.
    """

    claim: Claim
    owner: str | None


@dataclass(frozen=True)
class RecordLoss:
    """Write into the status, before it is created anew, what is lost: a sentence."""

    what: str


@dataclass(frozen=True)
class RecordRelease:
    """Write into the status, before the finalizer goes, what became of the collection, where
    finalizers of others hold the object.
    """

    verdict: Verdict


@dataclass(frozen=True)
class CreateDatabase:
    name: str


@dataclass(frozen=True)
class CreateCollection:
    schema: CollectionSchema
    properties: Mapping[str, str] = field(default_factory=dict)


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
    """Start to build the index, or drop it (None). `metric_type` is for engines whose indexes have
    it.
    """

    index: Index | None
    metric_type: str | None = None


@dataclass(frozen=True)
class SetFieldIndex:
    """Start to build the index of a field, or replace it. `releases`: the collection is then not
    in memory, or may not be. `anew`: even if the one that is there has all that is asked for.
    """

    index: FieldIndex
    releases: bool = False
    anew: bool = False


@dataclass(frozen=True)
class DropFieldIndex:
    """Drop the index of a field without vectors. `releases` as for `SetFieldIndex`."""

    field: str
    releases: bool = False


@dataclass(frozen=True)
class AddField:
    field: Field


@dataclass(frozen=True)
class AlterField:
    """Change what can change of a field, by Milvus' names."""

    field: str
    changed: Mapping[str, str]


@dataclass(frozen=True)
class AddFunction:
    """Add a function, together with its output field if that is new."""

    function: Function
    output: Field | None = None


@dataclass(frozen=True)
class AlterFunction:
    """Give a function other parameters."""

    function: Function


@dataclass(frozen=True)
class AlterProperties:
    """Set some of the collection's properties, and delete others."""

    changed: Mapping[str, str]
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadCollection:
    """Begin to load the collection, or another number of copies."""

    replicas: int


@dataclass(frozen=True)
class ReleaseCollection:
    """Take the collection out of memory."""


@dataclass(frozen=True)
class ApplySecret:
    manifest: Manifest


@dataclass(frozen=True)
class DeleteSecret:
    manifest: Manifest


@dataclass(frozen=True)
class PublishEvent:
    event: Event


@dataclass(frozen=True)
class Release:
    """Remove the finalizer, so that the API server can delete the object."""


CollectionStep = CreateCollection | DropCollection | CreatePartition | DropPartition | SetIndex
MilvusStep = CreateDatabase | AlterProperties | LoadCollection | ReleaseCollection
FieldStep = SetFieldIndex | DropFieldIndex | AddField | AlterField | AddFunction | AlterFunction
EngineStep = CollectionStep | MilvusStep | FieldStep
ClaimStep = RecordClaim | ReplaceClaim | KeepFinalizer
StatusStep = NoteRetained | RecordLoss | RecordRelease
Step = ClaimStep | StatusStep | EngineStep | ApplySecret | DeleteSecret | PublishEvent | Release


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The steps, in order, and the verdict to report once all of them are done.

    `retry` requeues the object without a change. `claim`, `placement` and `binding` are written
    into the status. `converged` says that the engine then matches the spec, whatever the verdict,
    but for `kept_partitions`: the spec no longer lists these, and a later reconcile drops them.
    `retained_partitions` are no longer listed either, but remain for good. `made_partitions` were
    created before a step failed. `schema` is what the collection is on the engine after the steps;
    None if this reconcile does not know it. `load` is whether it is in memory then; None on engines
    that load no collections. `properties` are the names of those that Quiver has set by then, and
    `indexes` those of a long form. `held` is what the server has of a long form, as far as the
    steps were done; None if this reconcile does not know it.
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
    schema: CollectionSchema | None = None
    load: LoadState | None = None
    properties: tuple[str, ...] = ()
    indexes: tuple[FieldIndex, ...] = ()
    held: Held | None = None
    binding: Binding | None = None
