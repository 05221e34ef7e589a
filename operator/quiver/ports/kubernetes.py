"""The Kubernetes API as the reconcilers see it: reads come from a cache, writes go out at once."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol

from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.placement import Load


class ReportedEvent(NamedTuple):
    """An Event that somebody else has published. `uid` is of the object that it is about, and `at`
    the time when it happened last. Whoever may create Events decides what `note` says.
    """

    reason: str
    note: str
    uid: str
    at: str


class Objects(Protocol):
    """Reads from the operator's cache, and writes to the API server.

    When a write returns, the cache holds its result.
    Calls to the API server raise: Conflict, NotFound, ApiRefused, ApiUnavailable.
    """

    def get(self, kind: Kind, key: Key) -> Manifest | None: ...

    def list(self, kind: Kind, namespace: str) -> Iterable[Manifest]: ...

    def collections_of(self, engine: Key) -> Iterable[Manifest]:
        """Return the VectorCollections that refer to the engine."""

    def namesakes(self, engine: Key, collection_name: str) -> Iterable[Manifest]:
        """Return the VectorCollections that refer to the engine and want a collection of this
        name.
        """

    def claimants(self, engine: Key, claim: Claim) -> Iterable[Manifest]:
        """Return the VectorCollections whose claims are of the same collection as `claim`, or of
        one that cannot exist beside it. The object that holds `claim` refers to `engine`.
        """

    def unplaced(self, collection_name: str) -> Iterable[Manifest]:
        """Return the VectorCollections that claim a collection of this name on an external server
        that the claim does not identify, as claims of the previous release are.
        """

    def abandon(self, manifest: Manifest) -> None:
        """Take note of a VectorCollection that is gone, and whose last manifest this was: a user
        may have wiped its claim first, so that the cache's had none any more.
        """

    def abandoned(self, key: Key) -> Iterable[Manifest]:
        """Return the last manifests of VectorCollections of this name that had a claim, and are
        gone although this operator did not remove their finalizers.
        """

    def forget_abandoned(self, manifest: Manifest) -> None:
        """Forget one of those that `abandoned` returned."""

    def load_of(self, engine: Key) -> Load:
        """Return how many collections and partitions count against the engine's limits: claimed
        collections, and the partitions in their status.
        """

    def engines(self) -> Iterable[Manifest]:
        """Return the VectorEngines of all namespaces."""

    def pod_addresses(self) -> frozenset[str]:
        """Return the IP addresses of the pods of all engines."""

    async def fetch(self, kind: Kind, key: Key) -> Manifest | None:
        """Read an object from the API server, bypassing the cache; None if it does not exist."""

    async def reported_events(self, kind: Kind, key: Key) -> Sequence[ReportedEvent]:
        """Read some Events about objects of this name from the API server, the latest first."""

    async def patch(self, kind: Kind, manifest: Manifest, patch: Manifest) -> Manifest:
        """Send a JSON merge patch. The uid and version of `manifest` are its preconditions."""

    async def patch_status(self, kind: Kind, manifest: Manifest, status: Manifest) -> Manifest:
        """Merge into the status. The uid and version of `manifest` are preconditions."""

    async def merge_status(self, kind: Kind, key: Key, uid: str, status: Manifest) -> Manifest:
        """Merge into the status of the object with this uid, at any version."""

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Apply server-side as the field manager `quiver`, taking fields from other managers."""

    async def delete(self, kind: Kind, manifest: Manifest) -> None:
        """Delete the object if it has the uid of `manifest`. It is no error if it is gone."""


class Event(NamedTuple):
    """Something that happened to a user's data, to be published as an Event about its object."""

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


class EventRecorder(Protocol):
    async def record(self, regarding: Manifest, event: Event) -> None:
        """Publish the event at best effort: a failure is logged, not raised."""
