"""A collection's index: the steps that lead to it, and what is said until it is built."""

from dataclasses import replace

from quiver.domain.collections import Index, IndexProgress, ObservedIndex
from quiver.domain.conditions import Verdict
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decision import Decision, SetIndex, Step
from quiver.reconcile.collections.gathered import Gathered


def index_steps(g: Gathered) -> list[Step]:
    """Return the steps for the index. An index that the spec never named is left alone, unless the
    engine cannot search without one.
    """
    wanted, found = g.collection.spec.index, g.observation.index
    set_index = SetIndex(wanted, g.schema.metric_type if g.loads else None)
    if wanted is None:
        return [set_index] if _is_to_go(g, found) else []
    if found is None or not wanted.is_met_by(found.index) or _is_of_another_metric(g):
        return [set_index]
    if _has_more_than_wanted(g, wanted, found):
        return [set_index]
    has_given_up = found.failure is not None and found.progress is None
    return [set_index] if has_given_up else []


def while_index_is_not_built(g: Gathered, decision: Decision) -> Decision | None:
    """Report an index build, and requeue: no reconcile waits for it. A collection that is created
    in this reconcile has no rows to index.
    """
    found, wanted = g.observation.index, g.collection.spec.index
    if wanted is None or g.observed is None:
        return None
    if found is not None and wanted.is_met_by(found.index) and found.failure is not None:
        message = (
            f"The engine could not build index {wanted.type}: {found.failure}. Remove the cause, "
            "or choose another index. Meanwhile it is tried again."
        )
        reason = Reason.DISK_FULL if found.disk_full else Reason.INDEX_FAILED
        verdict = Verdict.reconciling(reason, message)
        return replace(decision, verdict=verdict, retry=True)
    if any(isinstance(step, SetIndex) for step in decision.steps):
        progress = "the engine has begun."
    elif found is not None and found.progress is not None and not _serves_with_it(g):
        progress = _coarsely(found.progress, "rows" if g.loads else "segments")
    else:
        return None
    message = f"Building index {wanted.type}: {progress}"
    verdict = Verdict.reconciling(Reason.INDEX_BUILDING, message)
    return replace(decision, verdict=verdict, retry=True)


def is_mostly_built(found: ObservedIndex | None) -> bool:
    """Tell whether nine tenths have their index. Where clients go on inserting, some never have."""
    if found is None or found.progress is None:
        return True
    return 10 * found.progress.built >= 9 * found.progress.total


def _serves_with_it(g: Gathered) -> bool:
    """Tell whether a collection of an engine that loads is searched with its index. Milvus indexes
    each segment that is full, and is never done where clients go on inserting.
    """
    load = g.observation.load
    return load is not None and load.state == "Loaded" and is_mostly_built(g.observation.index)


def _is_to_go(g: Gathered, found: ObservedIndex | None) -> bool:
    """Tell whether brute force is to take the place of what is there; `spec.index` is absent."""
    if g.loads and g.observed is None:
        return True
    if found is None:
        return False
    named = g.collection.status.index is not None
    return found.missing or (named and found.index is not None)


def _is_of_another_metric(g: Gathered) -> bool:
    if not g.loads or g.observed is None:
        return False
    return g.observed.schema.metric_type not in (None, g.schema.metric_type)


def _has_more_than_wanted(g: Gathered, wanted: Index, found: ObservedIndex) -> bool:
    """Tell whether the index has a parameter yet that was taken off the spec: an engine returns
    those that it chose by itself, too.
    """
    before = g.collection.status.index
    if before is None or before.type != wanted.type:
        return False
    dropped = {key: before.params[key] for key in before.params.keys() - wanted.params.keys()}
    return bool(dropped) and Index(type=before.type, params=dropped).is_met_by(found.index)


def _coarsely(progress: IndexProgress, unit: str) -> str:
    """Say it in tenths, so that a build costs no more than ten writes of the status."""
    tenths = 10 * progress.built // max(1, progress.total)
    return f"{10 * tenths} % of the {unit} are indexed."
