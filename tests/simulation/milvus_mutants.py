"""Bugs of what only Milvus has, planted into the operator one at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from quiver.ports.engines import Engines
from quiver.reconcile.collections import deletion, loading, present
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered

COLLECTIONS = "quiver.reconcile.collections"
MARK = "collection_has_another_mark"


@contextmanager
def _ready_before_it_is_loaded() -> Iterator[None]:
    """Both walls are broken: the engine's word, and the search."""

    async def trust(decision: Decision, _g: Gathered, _engines: Engines) -> Decision:
        return decision

    with (
        patch(f"{COLLECTIONS}.converge.while_not_loaded", lambda _g, _decision: None),
        patch(f"{COLLECTIONS}.reconciler.searched", trust),
    ):
        yield


def _property_stays() -> Any:
    return patch(f"{COLLECTIONS}.properties._unlisted", lambda _g: set())


@contextmanager
def _mark_not_looked_at() -> Iterator[None]:
    with (
        patch.object(present, "POLICIES", _without(present.POLICIES, MARK)),
        patch.object(deletion, "POLICIES", _without(deletion.POLICIES, MARK)),
    ):
        yield


def _alias_not_looked_at() -> Any:
    kept = _without(deletion.POLICIES, "collection_is_aliased")
    return patch.object(deletion, "POLICIES", kept)


def _only_new_ones_loaded() -> Any:
    """What a server forgot, or somebody released, is not loaded again."""
    load_steps = loading.load_steps

    def once(g: Gathered, before: Any) -> list[Any]:
        return load_steps(g, before) if g.observed is None else []

    return patch(f"{COLLECTIONS}.converge.load_steps", once)


def _without(policies: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    return tuple(policy for policy in policies if policy.__name__ != name)


MILVUS_MUTANTS: tuple[tuple[str, Callable[[], Any]], ...] = (
    ("a collection is said to be ready before it is loaded", _ready_before_it_is_loaded),
    ("a property that was taken off the spec stays", _property_stays),
    ("the mark of another owner is not looked at", _mark_not_looked_at),
    ("a collection is dropped that an alias leads to", _alias_not_looked_at),
    ("a collection is loaded when it is new, and never again", _only_new_ones_loaded),
)
