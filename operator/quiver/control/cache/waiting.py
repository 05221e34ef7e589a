"""Enqueues collections that wait for room or for a name, as soon as an object gives it up."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import NamedTuple

import msgspec

from quiver.control.cache.by_engine import size_of
from quiver.control.cache.cache import Cache, Change
from quiver.control.cache.room import Room
from quiver.domain.claims import claim_of
from quiver.domain.collections import Claim
from quiver.domain.conditions import ready_reason
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.manifests import collection_name_of, engine_of
from quiver.domain.reasons import Reason

FOLD_S = 0.2
"""How long what is given up on one engine folds into one look at all that wait there."""
REFUSED_AT_ONCE = 16
"""Objects that one collection's end lets try again on a server that refused them. They try again
by themselves too.
"""
_WAIT_FOR: dict[str, str] = {
    Reason.QUOTA_EXCEEDED: "room",
    Reason.ENGINE_REFUSED: "server",
    Reason.DISK_FULL: "server",
    Reason.NAME_TAKEN: "name",
    Reason.ALREADY_EXISTS: "name",
}


class Group(NamedTuple):
    """Those who wait at one engine for the same: its room, the server, or a name."""

    engine: Key
    what: str
    name: str = ""


class Waiting:
    """Listens to a cache. Objects are enqueued in the order in which they began to wait.

    An engine's room is its own objects'. A name, and what a server takes in all, is given up for
    those of all VectorEngines that lead to the server.
    """

    def __init__(
        self,
        cache: Cache,
        add_collection: Callable[[Key], None],
        engines_at: Callable[[str], Iterable[Key]],
        call_later: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """`engines_at` returns the VectorEngines that lead to a server, given its identity.
        `call_later` calls a function after FOLD_S; by default the running loop does.
        """
        self._cache = cache
        self._add_collection = add_collection
        self._engines_at = engines_at
        self._call_later = call_later or _call_later
        self._waiting: defaultdict[Group, dict[Key, None]] = defaultdict(dict)
        self._group_of: dict[Key, Group] = {}
        self._due: set[Key] = set()

    def __call__(self, change: Change) -> None:
        if change.kind == VECTOR_COLLECTION:
            self._regroup(change.key)
            claim = None if change.old is None else claim_of(change.old)
            if claim is not None and change.old is not None and _has_shrunk(change):
                self._given_up(change.old, claim)
        elif change.kind == VECTOR_ENGINE and _retained(change.old) - _retained(change.new):
            self._look_soon(change.key)

    def _regroup(self, key: Key) -> None:
        before = self._group_of.pop(key, None)
        after = _group_of(self._cache.get(VECTOR_COLLECTION, key))
        if after is not None:
            self._group_of[key] = after
        if before == after:
            return
        if before is not None:
            del self._waiting[before][key]
            if not self._waiting[before]:
                del self._waiting[before]
        if after is not None:
            self._waiting[after][key] = None
            # Room may have been given up while the object was looked at.
            self._look_soon(after.engine)

    def _given_up(self, old: Manifest, claim: Claim) -> None:
        engine = engine_of(old)
        if engine is None:
            return  # stored under a looser CRD
        self._look_soon(engine)
        others = self._engines_at(claim.server) if claim.server is not None else ()
        for each in {engine: None, **dict.fromkeys(others)}:
            refused = self._waiting.get(Group(each, "server"), ())
            named = self._waiting.get(Group(each, "name", claim.collection_name), ())
            for key in (*islice(refused, REFUSED_AT_ONCE), *named):
                self._add_collection(key)

    def _look_soon(self, engine: Key) -> None:
        if Group(engine, "room") in self._waiting and engine not in self._due:
            self._due.add(engine)
            self._call_later(partial(self._look, engine))

    def _look(self, engine: Key) -> None:
        self._due.discard(engine)
        manifest = self._cache.get(VECTOR_ENGINE, engine)
        if manifest is None:
            return
        try:
            room = Room(msgspec.convert(manifest, VectorEngine), self._cache.load_of(engine))
        except msgspec.ValidationError:
            return  # the engine's own reconcile reports that in its status
        waiting = (
            self._cache.get(VECTOR_COLLECTION, key)
            for key in self._waiting.get(Group(engine, "room"), ())
        )
        for key in list(room.fitting(m for m in waiting if m is not None)):
            self._add_collection(key)


def _call_later(function: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(FOLD_S, function)


def _group_of(manifest: Manifest | None) -> Group | None:
    if manifest is None or "deletionTimestamp" in manifest["metadata"]:
        return None
    engine, what = engine_of(manifest), _WAIT_FOR.get(ready_reason(manifest))
    if engine is None or what is None:
        return None
    return Group(engine, what, collection_name_of(manifest) if what == "name" else "")


def _has_shrunk(change: Change) -> bool:
    old, new = change.old, change.new
    assert old is not None
    if new is None or claim_of(new) != claim_of(old):
        return True
    return size_of(new) < size_of(old)


def _retained(engine: Manifest | None) -> set[str]:
    return set((engine or {}).get("status", {}).get("retained", ()))
