"""A collection's one index: the steps that lead to it, and what is said until it is built.

The long form has an index for each field (`field_indexing`).
"""

from dataclasses import replace

from quiver.domain.collection_schemas import ObservedIndex
from quiver.domain.indexes import Index
from quiver.reconcile.collections.decision import Decision, SetIndex, Step
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.index_builds import (
    build_failed,
    building,
    has_given_up,
    is_mostly_built,
    unlisted,
)


def index_steps(g: Gathered) -> list[Step]:
    """Return the steps for the index. An index that the spec never named is left alone, unless the
    engine cannot search without one.
    """
    if g.form is not None:
        return []
    wanted, found = g.collection.spec.index, g.observation.index
    set_index = SetIndex(wanted, g.schema.metric_type if g.loads else None)
    if wanted is None:
        return [set_index] if _is_to_go(g, found) else []
    if found is None or not wanted.is_met_by(found.index) or is_of_another_metric(g):
        return [set_index]
    if _has_more_than_wanted(g, wanted, found):
        return [set_index]
    return [set_index] if has_given_up(found) else []


def while_index_is_not_built(g: Gathered, decision: Decision) -> Decision | None:
    """Report an index build, and requeue: no reconcile waits for it. A collection that is created
    in this reconcile has no rows to index.
    """
    found, wanted = g.observation.index, g.collection.spec.index
    if wanted is None or g.observed is None:
        return None
    index = f"index {wanted.type}"
    if found is not None and wanted.is_met_by(found.index) and found.failure is not None:
        return replace(decision, verdict=build_failed(index, found), retry=True)
    if any(isinstance(step, SetIndex) for step in decision.steps):
        progress = None
    elif found is not None and found.progress is not None and not _serves_with_it(g):
        progress = found.progress
    else:
        return None
    verdict = building(index, progress, "rows" if g.loads else "segments")
    return replace(decision, verdict=verdict, retry=True)


def is_of_another_metric(g: Gathered) -> bool:
    """Tell whether the index there measures something else than the spec says."""
    if not g.loads or g.observed is None:
        return False
    return g.observed.schema.metric_type not in (None, g.schema.metric_type)


def _serves_with_it(g: Gathered) -> bool:
    """Tell whether a collection of an engine that loads is searched with its index. Milvus indexes
    each segment that is full, and is never done where clients go on inserting.
    """
    return g.is_loaded and is_mostly_built(g.observation.index)


def _is_to_go(g: Gathered, found: ObservedIndex | None) -> bool:
    """Tell whether brute force is to take the place of what is there; `spec.index` is absent."""
    if g.loads and g.observed is None:
        return True
    if found is None:
        return False
    named = g.collection.status.index is not None
    return found.missing or (named and found.index is not None)


def _has_more_than_wanted(g: Gathered, wanted: Index, found: ObservedIndex) -> bool:
    """Tell whether the index has a parameter yet that was taken off the spec."""
    before = g.collection.status.index
    if before is None or before.type != wanted.type:
        return False
    dropped = unlisted(before.params, wanted.params)
    return bool(dropped) and Index(type=before.type, params=dropped).is_met_by(found.index)
