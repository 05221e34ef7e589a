"""The client of the Kubernetes API, as the control loop needs it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from quiver.domain.kubernetes_types import Key, Kind, Manifest

Keep = Callable[[Manifest], Manifest]
"""Returns what is to be kept of an object."""


def as_it_is(manifest: Manifest) -> Manifest:
    return manifest


class Listing(NamedTuple):
    """All objects of a kind, as they were at the resourceVersion `version`."""

    items: list[Manifest]
    version: str


class Api(Protocol):
    """Every call has a deadline.

    Raises: Conflict, NotFound, ApiRefused, ApiUnavailable.
    """

    async def list(
        self, kind: Kind, selector: str = "", namespace: str = "", keep: Keep = as_it_is
    ) -> Listing:
        """Return what `keep` makes of the objects that match the label selector; an empty selector
        matches all. An empty namespace means all namespaces. The whole of an object is in memory
        only until then.
        """

    async def some(
        self, kind: Kind, namespace: str, fields: Mapping[str, str], most: int
    ) -> Sequence[Manifest]:
        """Return at most `most` objects of the namespace whose fields have these values."""

    async def get(self, kind: Kind, key: Key) -> Manifest:
        """Return the object as the API server has it."""

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        """Send a JSON merge patch. A uid or resourceVersion in its metadata is a precondition."""

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Apply server-side as the field manager `quiver`, taking fields from other managers."""

    async def delete(self, kind: Kind, key: Key, uid: str) -> None:
        """Delete the object if it still has this uid."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create the object."""
