"""What happens to a collection when its object is deleted."""

from typing import Literal

DeletionPolicy = Literal["Delete", "Retain", "DeleteIfEmpty"]
PROTECTED = (
    "Not deleted: spec.deletionProtection is true, and the admission policy that refuses the "
    "deletion is not installed. Set it to false to let the object go."
)


def deletion_policy(
    chosen: DeletionPolicy | None, origin: str | None, engine_default: DeletionPolicy | None
) -> DeletionPolicy:
    """Return the policy that applies: the object's own, else Retain for an adopted collection, else
    the engine's default, else Delete.
    """
    if chosen is not None:
        return chosen
    return "Retain" if origin == "Adopted" else engine_default or "Delete"
