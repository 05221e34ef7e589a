"""What a decision will do, in the words of a plan. Pure: nothing is decided here."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from quiver.domain.collections import OWN_PROPERTIES
from quiver.domain.conditions import State
from quiver.domain.indexes import Index
from quiver.domain.plans import Action
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line
from quiver.reconcile.collections.decision import (
    AlterProperties,
    ApplySecret,
    ClaimStep,
    CreateCollection,
    CreateDatabase,
    CreatePartition,
    Decision,
    DeleteSecret,
    DropCollection,
    DropFieldIndex,
    DropPartition,
    FieldStep,
    LoadCollection,
    PublishEvent,
    RecordClaim,
    Release,
    ReleaseCollection,
    SetFieldIndex,
    SetIndex,
    StatusStep,
    Step,
)
from quiver.reconcile.collections.foreseen_fields import field_phrases
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.growth import DYNAMIC_FIELDS

NAMED = 5
"""Partitions that a phrase names."""
WORDS = 500
NOT_HEARD = (
    Reason.ENGINE_UNREACHABLE,
    Reason.ENGINE_NOT_READY,
    Reason.ENGINE_NOT_FOUND,
    Reason.ENGINE_REFUSED,
    Reason.CREDENTIALS_REFUSED,
    Reason.DISK_FULL,
)
"""Why a collection that is to be dropped cannot be looked at. It is dropped once it can."""
_OF_FIELDS = get_args(FieldStep)
_NOT_TOLD = (*get_args(ClaimStep), *get_args(StatusStep), PublishEvent, Release)


@dataclass(frozen=True)
class Foreseen:
    """`dropped` is the collection that goes, or the partitions, if `action` is another."""

    action: Action
    what: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    interrupts: bool = False


def foresee(g: Gathered, decision: Decision) -> Foreseen:
    """Return what the steps of the decision do."""
    if g.collection.metadata.deleting:
        return _going(g, decision)
    what = (*_phrases(g, decision.steps), *_kept(g, decision))
    dropped = tuple(step.tag for step in decision.steps if isinstance(step, DropPartition))
    return Foreseen(_action(decision, what), what, dropped, _interrupts(g, decision.steps))


def is_unheard(g: Gathered, decision: Decision) -> bool:
    """Tell whether the decision rests on an engine that did not answer here. The operator, which
    is in the cluster, may reach it.
    """
    return decision.verdict.reason is Reason.ENGINE_UNREACHABLE or (
        decision.verdict.reason is Reason.ENGINE_NOT_READY
        and g.member is not None
        and g.member.refusal is not None
        and g.member.refusal.reason is Reason.ENGINE_UNREACHABLE
    )


def _action(decision: Decision, what: Sequence[str]) -> Action:
    steps = decision.steps
    if decision.verdict.state is State.STALLED:
        return Action.REFUSED
    if any(isinstance(step, CreateCollection) for step in steps):
        return Action.CREATE
    if any(isinstance(step, RecordClaim) for step in steps):
        return Action.ADOPT
    if what:
        return Action.CHANGE
    return Action.WAITS if decision.verdict.state is State.RECONCILING else Action.NONE


def _going(g: Gathered, decision: Decision) -> Foreseen:
    """Return what becomes of a collection whose object is deleted."""
    name, verdict = g.collection_name, decision.verdict
    if any(isinstance(step, DropCollection) for step in decision.steps):
        return Foreseen(Action.DROP, (f"drop collection {name}",), (name,))
    is_let_go = any(isinstance(step, Release) for step in decision.steps)
    if is_let_go or verdict.reason is Reason.RELEASED:
        return Foreseen(Action.RELEASE, (_told(verdict.message),))
    if verdict.reason in NOT_HEARD:
        return Foreseen(Action.DROP, (f"drop collection {name}, once that can be done",), (name,))
    return Foreseen(Action.REFUSED if verdict.state is State.STALLED else Action.WAITS, ())


def _told(message: str) -> str:
    return one_line(message.removesuffix("Finalizers of others hold the object.").strip(), WORDS)


def _phrases(g: Gathered, steps: Sequence[Step]) -> Iterator[str]:
    makes = (CreateDatabase, CreateCollection)
    for step in steps:
        if isinstance(step, makes):
            yield from _phrase(g, step)
    if _adopts(steps):
        yield f"adopt collection {g.collection_name}, as it is"
    yield from _partitions("add", (s.tag for s in steps if isinstance(s, CreatePartition)))
    yield from _partitions("drop", (s.tag for s in steps if isinstance(s, DropPartition)))
    told = (*makes, CreatePartition, DropPartition, *_NOT_TOLD)
    for step in steps:
        if isinstance(step, _OF_FIELDS):
            yield from field_phrases(step, g.observation.indexes)
        elif not isinstance(step, told):
            yield from _phrase(g, step)


def _phrase(g: Gathered, step: Step) -> Iterator[str]:
    match step:
        case CreateDatabase(name):
            yield f"create database {name}"
        case CreateCollection():
            again = ", which is gone from the engine, anew and empty" if g.claim else ""
            yield f"create collection {g.collection_name} on {g.member_name}{again}"
        case SetIndex(index):
            yield _index(g, index)
        case AlterProperties(changed) if DYNAMIC_FIELDS in changed:
            yield "turn dynamic fields on"
        case AlterProperties(changed, deleted):
            yield from _properties("set", changed)
            yield from _properties("delete", deleted)
        case LoadCollection(replicas):
            yield "load it" if replicas == 1 else f"load it {replicas} times"
        case ReleaseCollection():
            yield "take it out of memory"
        case ApplySecret(manifest):
            yield f"write Secret {manifest['metadata']['name']}"
        case DeleteSecret(manifest):
            yield f"delete Secret {manifest['metadata']['name']}"
        case _:
            yield re.sub("(?<!^)([A-Z])", r" \1", type(step).__name__).lower()


def _adopts(steps: Sequence[Step]) -> bool:
    is_created = any(isinstance(step, CreateCollection) for step in steps)
    return not is_created and any(isinstance(step, RecordClaim) for step in steps)


def _partitions(verb: str, tags: Iterable[str]) -> Iterator[str]:
    named = list(tags)
    if named:
        shown = ", ".join(one_line(tag, 60) for tag in named[:NAMED])
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        yield f"{verb} partition{'s' if len(named) > 1 else ''} {shown}{more}"


def _properties(verb: str, names: Iterable[str]) -> Iterator[str]:
    shown = [one_line(name, 60) for name in names if not name.startswith(OWN_PROPERTIES)]
    if shown:
        yield f"{verb} properties {', '.join(sorted(shown))}"


def _index(g: Gathered, wanted: Index | None) -> str:
    found = g.observation.index.index if g.observation.index is not None else None
    if wanted is None:
        return "search by brute force" if found is None else f"remove index {_named(found)}"
    if found is None:
        return f"build index {_named(wanted)}"
    return f"replace index {_named(found)} by {_named(wanted)}"


def _named(index: Index) -> str:
    params = ", ".join(f"{name} {value}" for name, value in sorted(index.params.items()))
    return one_line(f"{index.type} ({params})" if params else index.type, 200)


def _kept(g: Gathered, decision: Decision) -> Iterator[str]:
    """Say of partitions that the spec no longer lists that they stay."""
    before = set(g.collection.status.partitions)
    if not decision.converged:
        return
    retained = sorted(before & set(decision.retained_partitions))
    for phrase in _partitions("leave", retained):
        yield f"{phrase} on the engine: the deletion policy is Retain"
    for phrase in _partitions("keep", decision.kept_partitions):
        yield f"{phrase}: not empty, and the deletion policy is DeleteIfEmpty"


def _interrupts(g: Gathered, steps: Sequence[Step]) -> bool:
    """Tell whether searches suffer: an index that they use is replaced, or what they search is
    taken out of memory.
    """
    if g.observed is None:
        return False
    if any(isinstance(step, ReleaseCollection) for step in steps):
        return True
    load, index = g.observation.load, g.observation.index
    is_loaded = load is not None and load.state != "NotLoaded"
    if is_loaded and any(_releases(step) for step in steps):
        return True
    if not any(isinstance(step, SetIndex) for step in steps):
        return False
    return is_loaded or (index is not None and index.index is not None)


def _releases(step: Step) -> bool:
    return isinstance(step, SetFieldIndex | DropFieldIndex) and step.releases
