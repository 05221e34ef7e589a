"""Which of several operators in a cluster manages an object."""

from dataclasses import dataclass

from quiver.domain.kubernetes_types import Manifest

MANAGED_BY_FIELD, CONTENDED_BY_FIELD = "managedBy", "contendedBy"


@dataclass(frozen=True)
class Manager:
    """An operator among others of the cluster.

    Statuses name it by its own namespace: of the operators in one namespace a Lease lets one work.
    Tenants cannot write a status. With `takes_over_from`, what that operator managed is this one's.
    """

    namespace: str
    takes_over_from: str | None = None

    def manages(self, manifest: Manifest) -> bool:
        """Tell whether the object's status names this operator."""
        return _named(manifest, MANAGED_BY_FIELD) == self.namespace

    def other_manager_of(self, manifest: Manifest) -> str | None:
        """Return the other operator that manages the object, if one does."""
        found = _named(manifest, MANAGED_BY_FIELD)
        return None if found in (None, self.namespace, self.takes_over_from) else found


def contender_for(engine: Manifest) -> str | None:
    """Return an operator that would manage the engine, if no other did."""
    return _named(engine, CONTENDED_BY_FIELD)


def _named(manifest: Manifest, field: str) -> str | None:
    found: str | None = manifest.get("status", {}).get(field)
    return found or None
