"""The Kubernetes API, as the reconcilers see it: reads come from memory, writes go out at once."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.domain.placement import Load


class Objects(Protocol):
    """Reads the operator's cache; a write's answer is in the cache when the call returns.

    Calls that go out raise: Conflict, NotFound, ApiRefused, ApiUnavailable.
    """

    def get(self, kind: Kind, key: Key) -> Manifest | None: ...

    def list(self, kind: Kind, namespace: str) -> Iterable[Manifest]: ...

    def collections_of(self, engine: Key) -> Iterable[Manifest]:
        """Return the VectorCollections that refer to the engine."""

    def namesakes(self, engine: Key, collection_name: str) -> Iterable[Manifest]:
        """Return those of them that want a collection of this name."""

    def claimants(self, engine: Key, claim: Claim) -> Iterable[Manifest]:
        """Return the VectorCollections that claim the same collection as `claim` does, which is of
        an object that refers to `engine`, or one that cannot be beside it.
        """

    def unplaced(self, collection_name: str) -> Iterable[Manifest]:
        """Return the VectorCollections that claim such a collection on an external server, nobody
        knows which: the release before did not note it.
        """

    def load_of(self, engine: Key) -> Load:
        """Return how many collections and partitions they have: what is claimed, and there."""

    def engines(self) -> Iterable[Manifest]:
        """Return all VectorEngines, of all namespaces."""

    def pod_addresses(self) -> frozenset[str]:
        """Return the IP addresses of all engine pods, of whatever engine."""

    async def fetch(self, kind: Kind, key: Key) -> Manifest | None:
        """Ask the API server itself, for what the cache does not watch; None if there is none."""

    async def patch(self, kind: Kind, manifest: Manifest, patch: Manifest) -> Manifest:
        """Send a JSON merge patch, which takes effect only on the version given by `manifest`."""

    async def patch_status(self, kind: Kind, manifest: Manifest, status: Manifest) -> Manifest:
        """Replace the given fields of the status, only on the version given by `manifest`."""

    async def merge_status(self, kind: Kind, key: Key, uid: str, status: Manifest) -> Manifest:
        """Merge into the status of the object with this uid, in whatever version it is."""

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply, as the field manager `quiver`, taking fields from others."""

    async def delete(self, kind: Kind, manifest: Manifest) -> None:
        """Delete the object, which must still have the uid of `manifest`; gone already is done."""


class Event(NamedTuple):
    """Something that happened to a person's data, told beside the object it happened to."""

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


class EventRecorder(Protocol):
    async def record(self, regarding: Manifest, event: Event) -> None:
        """Publish the event, as well as can be: a failure is logged, not raised."""
