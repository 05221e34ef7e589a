"""Whether a collection is in memory, on engines that search it only then."""

from collections.abc import Sequence
from dataclasses import replace

from quiver.domain.collection_schemas import LoadState
from quiver.domain.conditions import Verdict
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decision import (
    Decision,
    DropFieldIndex,
    LoadCollection,
    ReleaseCollection,
    SetFieldIndex,
    SetIndex,
    Step,
)
from quiver.reconcile.collections.field_indexing import vectors_are_mostly_built
from quiver.reconcile.collections.gathered import Gathered


def is_to_be_searched(g: Gathered) -> bool:
    """Tell whether the collection is to be in memory, or needs not be."""
    return not g.loads or g.collection.milvus.load.enabled


def release_steps(g: Gathered) -> list[Step]:
    """Return the step that releases the collection. It comes before those for its properties: some
    of these are refused for one that is in memory.
    """
    found = g.observation.load
    if is_to_be_searched(g) or found is None or found.state == "NotLoaded":
        return []
    return [ReleaseCollection()]


def load_steps(g: Gathered, before: Sequence[Step]) -> list[Step]:
    """Return the steps after `before` that load the collection.

    The engine releases a collection whose index is replaced: the next reconcile loads it. So it
    does with one that is not in memory and whose vectors get an index.
    """
    wanted, found = g.collection.milvus.load, g.observation.load
    if not g.loads or not wanted.enabled:
        return []
    state: LoadState = found.state if found is not None else "NotLoaded"
    if g.observed is not None and _releases(before):
        return []
    if state == "NotLoaded":
        # Before, all rows would be in memory as they are.
        is_time = g.observed is None or not _indexes_vectors(g, before)
        is_time = is_time and vectors_are_mostly_built(g)
        return [LoadCollection(wanted.replicas)] if is_time else []
    told = found.replicas if found is not None and state == "Loaded" else None
    return [] if told in (None, wanted.replicas) else [LoadCollection(wanted.replicas)]


def load_after(g: Gathered, steps: Sequence[Step]) -> LoadState | None:
    """Return whether the collection is in memory after the steps; None where that is no
    question.
    """
    if not g.loads:
        return None
    if any(isinstance(step, LoadCollection) for step in steps):
        return "Loading"
    if _releases(steps) or any(isinstance(step, ReleaseCollection) for step in steps):
        return "NotLoaded"
    return g.observation.load.state if g.observation.load is not None else "NotLoaded"


def while_not_loaded(g: Gathered, decision: Decision) -> Decision | None:
    """Report that the collection is being loaded, and requeue."""
    if not g.loads or decision.load == "Loaded" or not is_to_be_searched(g):
        return None
    progress = "it waits for its index." if decision.load == "NotLoaded" else _progress(g)
    verdict = Verdict.reconciling(Reason.LOADING, f"Loading the collection: {progress}")
    return replace(decision, verdict=verdict, retry=True)


def while_released(g: Gathered, decision: Decision) -> Decision | None:
    """Say of a collection that is ready that it cannot be searched, as asked for."""
    if is_to_be_searched(g):
        return None
    message = (
        f"{decision.verdict.message} It is not loaded, since spec.milvus.load.enabled is false, "
        "and cannot be searched."
    )
    return replace(decision, verdict=Verdict.ready(message))


def _progress(g: Gathered) -> str:
    """Say it in tenths, so that it costs no more than ten writes of the status."""
    found = g.observation.load
    if found is None or found.state != "Loading" or found.progress is None:
        return "the engine has begun."
    return f"{10 * (min(100, max(0, found.progress)) // 10)} % are in memory."


def _releases(steps: Sequence[Step]) -> bool:
    """Tell whether the engine releases the collection to drop an index, or may."""
    return any(
        step.releases
        if isinstance(step, SetFieldIndex | DropFieldIndex)
        else isinstance(step, SetIndex)
        for step in steps
    )


def _indexes_vectors(g: Gathered, steps: Sequence[Step]) -> bool:
    vectors = {field.name for field in g.form.vectors} if g.form is not None else frozenset[str]()
    return any(isinstance(s, SetFieldIndex) and s.index.field in vectors for s in steps)
