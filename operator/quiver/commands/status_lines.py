"""What `quiver status` says, as trees."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from quiver.commands.branches import BAD, GOOD, QUIET, WAITING, Branch
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from quiver.domain.views import (
    CollectionView,
    EngineView,
    Happened,
    ObjectView,
    Overview,
    PodView,
)

DOCS = "docs/conditions.md"


def branches(overview: Overview, now: datetime) -> Iterator[Branch]:
    """Yield a tree for each engine, for the collections without one, and for what was not read."""
    for engine in overview.engines:
        yield _engine(engine, now)
    unread = dict(overview.unread)
    for name in dict.fromkeys(collection.engine for collection in overview.collections):
        why = unread.pop(f"{VECTOR_ENGINE.kind} {name}", "not shown")
        branch = Branch(f"engine {name}: {why}", "?", WAITING)
        for collection in overview.collections:
            if collection.engine == name:
                branch.below.append(_collection(collection, now))
        yield branch
    if unread:
        branch = Branch("could not be read:", "!", WAITING)
        for what, why in unread.items():
            branch.add(f"{what}: {why}")
        yield branch


def _engine(engine: EngineView, now: datetime) -> Branch:
    branch = _object("engine", engine)
    branch.add(", ".join(_facts(engine)))
    if engine.pods is None:
        branch.add("pods: not allowed to list")
    elif not engine.pods and not engine.endpoints and engine.replicas:
        branch.add("pods: none", "?", WAITING)
    for pod in engine.pods or ():
        branch.below.append(_pod(pod))
    _rest(branch, engine, now)
    for collection in engine.collections:
        branch.below.append(_collection(collection, now))
    return branch


def _facts(engine: EngineView) -> Iterator[str]:
    yield f"type {engine.type}"
    if engine.version:
        yield f"version {engine.version}"
    if engine.image:
        yield f"image {engine.image}"
    if engine.endpoints:
        yield f"at {', '.join(engine.endpoints)}"
    else:
        yield f"{engine.ready_replicas} of {engine.replicas} pods are ready"
    for resource, count in engine.gpus.items():
        yield f"{count} {resource}"
    count = len(engine.collections)
    yield f"{count} collection{'' if count == 1 else 's'} here"


def _pod(pod: PodView) -> Branch:
    facts = [f"pod {pod.name}: {'ready' if pod.ready else 'not ready'}"]
    facts.append(f"on node {pod.node}" if pod.node else "on no node yet")
    facts.append(f"restarts {pod.restarts}")
    if pod.gpus:
        facts.append(f"GPUs {pod.gpus}")
    facts.append(_memory(pod))
    if pod.trouble:
        facts.append(pod.trouble)
    text = ", ".join(filter(None, facts))
    return Branch(text, "✓", GOOD) if pod.ready else Branch(text, "✗", BAD)


def _memory(pod: PodView) -> str:
    limit = "" if pod.memory_limit is None else f"{pod.memory_limit} MiB"
    if pod.memory_used is None:
        return f"memory limit {limit}" if limit else ""
    return f"memory {pod.memory_used}{f' of {limit}' if limit else ' MiB'}"


def _collection(collection: CollectionView, now: datetime) -> Branch:
    branch = _object("collection", collection)
    facts = [f"on {collection.on}" if collection.on else "on no engine yet"]
    if collection.collection_name:
        facts.append(f"its name there is {collection.collection_name}")
    facts.append(f"index {collection.index}" if collection.index else "no index")
    if collection.load:
        facts.append(collection.load)
    branch.add(", ".join(facts))
    _rest(branch, collection, now)
    return branch


def _object(word: str, view: ObjectView) -> Branch:
    is_ready = view.ready == "True"
    is_well = is_ready and (view.state, view.reason) == ("Ready", "Available")
    state = "ready" if is_ready and view.state == "Ready" else view.state
    text = f"{word} {view.namespace}/{view.name}: {state}"
    if view.deleting:
        text += ", being deleted"
    if not is_well:
        text += f", {view.reason}: {view.message}"
    if is_ready:
        return Branch(text, "✓", GOOD) if is_well else Branch(text, "!", WAITING)
    return Branch(text, "✗", BAD) if view.state == "Stalled" else Branch(text, "…", WAITING)


def _rest(branch: Branch, view: ObjectView, now: datetime) -> None:
    if (view.ready, view.reason) != ("True", "Available"):
        branch.add(f"meaning and cure: {view.reason} in {DOCS}")
    for note in view.notes:
        branch.add(f"{note.type}: {note.reason}: {note.message}", "!", WAITING)
    for event in view.events:
        branch.add(_event(event, now), style=QUIET)


def _event(event: Happened, now: datetime) -> str:
    times = f", {event.count} times" if event.count > 1 else ""
    return f"event {_ago(event.at, now)}{times}: {event.type} {event.reason}: {event.note}"


def _ago(at: str, now: datetime) -> str:
    try:
        age = now - datetime.fromisoformat(at)
    except (ValueError, TypeError):
        return at
    for unit, name in ((timedelta(days=1), "d"), (timedelta(hours=1), "h")):
        if age >= 2 * unit:
            return f"{age // unit} {name} ago"
    if age >= timedelta(minutes=1):
        return f"{age // timedelta(minutes=1)} min ago"
    return f"{max(0, age // timedelta(seconds=1))} s ago"


def utc_now() -> datetime:
    return datetime.now(UTC)
