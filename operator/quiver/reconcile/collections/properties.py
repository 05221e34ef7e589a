"""What Milvus 2.x keeps beside a collection's vectors: its database, its properties, and among
them the mark of its owner.

The mark is a second wall behind claims: these are known to one cluster, and Milvus may serve
several. What carries the mark of another owner is changed or dropped by nobody else. Only who
adopts a collection replaces its mark, and only if this operator knows no object with that uid: it
may have been retained by an object that is gone, or by a cluster that is.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from quiver.domain.collection_names import split_name
from quiver.domain.collections import OWN_PROPERTIES, OWNER_PROPERTY, SET_PROPERTIES
from quiver.domain.conditions import Verdict
from quiver.domain.indexes import EntryName
from quiver.domain.milvus_versions import Feature, can, needed
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decision import AlterProperties, CreateDatabase, Decision, Step
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.outcomes import stalled, waiting

_Names = Annotated[list[EntryName], Meta(max_length=64)]


def database_is_missing(g: Gathered) -> Decision | None:
    """Wait for the database, unless the engine's owner lets Quiver make it."""
    if g.observation.has_database or _may_create_databases(g):
        return None
    database, _ = split_name(g.collection_name)
    return waiting(
        g,
        Reason.DATABASE_NOT_FOUND,
        f"The engine at {g.member_name} has no database {database!r}. Create it there, or ask the "
        f"owner of VectorEngine {g.collection.engine_key} to set spec.milvus.createDatabases. "
        "Quiver then goes on by itself.",
        retry=True,
    )


def collection_has_another_mark(g: Gathered) -> Decision | None:
    """A collection that another owner has marked. While it is being adopted, only an owner counts
    that this operator knows.
    """
    is_adopting = g.claim is None or (g.claim.origin == "Adopted" and not g.was_marked)
    if g.foreign_mark is None or (is_adopting and g.marked_by is None):
        return None
    if g.claim is None and g.collection.spec.adoption_policy == "Never":
        return None  # it is not to be adopted anyhow
    whose = f"VectorCollection {g.marked_by!r}"
    if g.marked_by is None:
        whose = "a VectorCollection that this operator does not know, as of another cluster"
    return stalled(
        g,
        Reason.NAME_TAKEN,
        f"Collection {g.collection_name!r} carries the mark of {whose}: its property "
        f"{OWNER_PROPERTY}. Quiver leaves it alone. Delete one of the two objects, or, if that "
        "mark is out of date, delete the property on the engine.",
    )


def database_steps(g: Gathered) -> list[Step]:
    if g.observation.has_database:
        return []
    database, _ = split_name(g.collection_name)
    return [CreateDatabase(database)]


def properties_wanted(g: Gathered) -> dict[str, str]:
    """Return the properties that the collection is to have, with the mark, and with their names if
    there are any.
    """
    if not g.loads:
        return {}
    listed = g.collection.milvus.properties
    names = {SET_PROPERTIES: _told(listed)} if listed else {}
    return {**listed, OWNER_PROPERTY: g.collection.metadata.uid, **names}


def property_steps(g: Gathered) -> list[Step]:
    """Return the steps that set what is listed, and delete what Quiver has set and is no longer
    listed. A new collection is created with its properties.
    """
    if g.observed is None or not g.loads:
        return []
    found, wanted, unlisted = g.observed.properties, properties_wanted(g), _unlisted(g)
    if unlisted or SET_PROPERTIES in found:
        # What is to be deleted stays named until it is gone.
        wanted[SET_PROPERTIES] = _told({*g.collection.milvus.properties, *unlisted})
    changed = {name: value for name, value in wanted.items() if found.get(name) != value}
    deleted = tuple(sorted(unlisted)) if can_delete_properties(g) else ()
    if not deleted:
        return [AlterProperties(changed)] if changed else []
    left = {SET_PROPERTIES: _told(g.collection.milvus.properties)}
    return [AlterProperties(changed, deleted), AlterProperties(left)]


def properties_after(g: Gathered) -> tuple[str, ...]:
    """Return the names of the properties that Quiver has set, once the steps are done."""
    kept = set() if can_delete_properties(g) else _unlisted(g)
    return tuple(sorted({*g.collection.milvus.properties, *kept}))


def while_properties_stay(g: Gathered, decision: Decision) -> Decision | None:
    """Stall, but converge the collection: this version of Milvus deletes no properties."""
    kept = sorted(_unlisted(g))
    if not kept or can_delete_properties(g):
        return None
    message = (
        f"Properties that the spec no longer lists are still set: {', '.join(map(repr, kept))}. "
        f"The engine is Milvus {g.milvus_version}: {needed(Feature.DELETE_PROPERTIES)}. "
        "Put them back on the list with a value that suits you, or upgrade the engine."
    )
    return replace(decision, verdict=Verdict.stalled(Reason.VERSION_TOO_OLD, message))


def can_delete_properties(g: Gathered) -> bool:
    return can(g.milvus_version, Feature.DELETE_PROPERTIES)


def _unlisted(g: Gathered) -> set[str]:
    """Return the properties that Quiver has set, that are still there, and no longer listed."""
    if g.observed is None:
        return set()
    status, found = g.collection.status.milvus, g.observed.properties
    known = set(status.properties) if status is not None else set()
    if g.foreign_mark is None:
        # A reconcile that set some may have ended before its status was written.
        known |= _named_in(found.get(SET_PROPERTIES, ""))
    own = {name for name in known if name.startswith(OWN_PROPERTIES)}
    return (known - own - g.collection.milvus.properties.keys()) & found.keys()


def _told(names: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(names)).decode()


def _named_in(text: str) -> set[str]:
    """Return the names in the list; none if it is not one that Quiver has written."""
    try:
        return set(msgspec.json.decode(text or "[]", type=_Names))
    except (msgspec.DecodeError, UnicodeError):
        return set()


def _may_create_databases(g: Gathered) -> bool:
    milvus = g.engine_there.spec.milvus
    return milvus is not None and milvus.create_databases
