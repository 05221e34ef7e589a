"""What the control loop needs of a client of the Kubernetes API."""

from typing import NamedTuple, Protocol

from quiver.domain.kubernetes_types import Key, Kind, Manifest


class Listing(NamedTuple):
    """All objects of a kind as of one moment, which `version` (a resourceVersion) names."""

    items: list[Manifest]
    version: str


class Api(Protocol):
    """Every call has a deadline.

    Raises: Conflict, NotFound, ApiRefused, ApiUnavailable.
    """

    async def list(self, kind: Kind, selector: str = "") -> Listing:
        """Return all objects of all namespaces that carry the labels of `selector`."""

    async def get(self, kind: Kind, key: Key) -> Manifest:
        """Return the object as the API server has it."""

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        """Send a JSON merge patch; uid and resourceVersion in its metadata are preconditions."""

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply as the field manager `quiver`, taking fields from others."""

    async def delete(self, kind: Kind, key: Key, uid: str) -> None:
        """Delete the object if it still has this uid."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create the object."""
