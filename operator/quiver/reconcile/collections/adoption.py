"""Policies for a collection that the engine already has, and that the object has not claimed."""

from quiver.domain.claims import retained_as
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.assignment import claim_for
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.outcomes import stalled


def name_exists_and_is_not_to_be_adopted(g: Gathered) -> Decision | None:
    if g.claim is not None or g.observed is None:
        return None
    if g.collection.spec.adoption_policy == "IfIdentical":
        return _adoption_fails(g) or _adoption_is_not_allowed(g)
    if g.lapsed is not None:
        return stalled(
            g,
            Reason.ALREADY_EXISTS,
            f"{g.member_name} is another server now than the one that collection "
            f"{g.collection.collection_name!r} was created on, and has one of that name, which "
            "Quiver leaves alone. If it is yours, set adoptionPolicy to IfIdentical.",
        )
    return stalled(
        g,
        Reason.ALREADY_EXISTS,
        f"The engine already has a collection {g.collection.collection_name!r} that no "
        "VectorCollection holds, such as one that was retained, and Quiver leaves it alone. Set "
        "adoptionPolicy to IfIdentical to take it over with its vectors, drop it on the "
        "engine, or create this object anew with another collectionName.",
    )


def _adoption_fails(g: Gathered) -> Decision | None:
    if not g.differences:
        return None
    long = " in milvus.schema, which says any fields," if g.loads and g.form is None else ""
    return stalled(
        g,
        Reason.ALREADY_EXISTS,
        f"The engine's collection {g.collection.collection_name!r} is not adopted, since it is not "
        f"what the spec says: {g.differences}. Make this object anew with these values,{long} or "
        "with another collectionName.",
    )


def _adoption_is_not_allowed(g: Gathered) -> Decision | None:
    assert g.engine is not None
    namespace = g.collection.metadata.namespace
    was_retained = g.engine.status.retained_by(retained_as(claim_for(g))) == namespace
    if g.is_elders:
        return stalled(
            g,
            Reason.ALREADY_EXISTS,
            f"The engine already has a collection {g.collection.collection_name!r}, which may be "
            "of another owner: an older VectorEngine of another namespace leads to the same "
            "server, or a claim from before the upgrade may be of it. Create "
            "this object anew with another collectionName.",
        )
    if not g.is_guest or was_retained or g.engine.spec.allowed_namespaces.may_adopt:
        return None
    return stalled(
        g,
        Reason.ALREADY_EXISTS,
        f"The engine already has a collection {g.collection.collection_name!r}, which was not this "
        "namespace's before, and other namespaces than the engine's may not adopt. Choose another "
        "collectionName, or ask the engine's owner for allowedNamespaces.mayAdopt.",
    )
