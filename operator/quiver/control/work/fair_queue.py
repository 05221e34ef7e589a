"""A fair queue of keys: what one namespace or one engine asks for does not hold up another's."""

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from quiver.domain.kubernetes_types import Key

Groups = OrderedDict[Hashable, OrderedDict[Key, None]]
Engines = OrderedDict[Hashable, Groups]
UNLIMITED = sys.maxsize
MOST_HELD_UP = 10_000
"""Engines that are remembered as held up, the last ones. One that is deleted is given back no more.
"""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many keys may be out at the same time: in all, of one namespace, and of one engine."""

    total: int = UNLIMITED
    per_namespace: int = UNLIMITED
    per_engine: int = UNLIMITED

    def share(self, namespaces: int) -> int:
        """Return how many keys each of so many namespaces may have out. The total is divided by one
        namespace more, so that the next namespace with a key finds a worker free.
        """
        return max(1, min(self.per_namespace, self.total // (namespaces + 1)))


class _Turn(NamedTuple):
    namespace: str
    engine: Hashable


class FairQueue:
    """Namespaces take turns. In a namespace its engines take turns, and in an engine its groups, so
    that a large group does not keep a key of another group waiting. In a group the key that has
    waited longest is next.

    Keys that are out (taken and not given back) stay within the limits. An engine has only one key
    out if the last one that was given back was held up.
    """

    def __init__(
        self,
        engine_of: Callable[[Key], Hashable],
        limits: Limits,
        group_of: Callable[[Key], Hashable] = lambda _key: None,
    ) -> None:
        """`engine_of` and `group_of` are called when a key starts to wait, and when it is added
        again. An engine may have keys of several namespaces.
        """
        self._engine_of = engine_of
        self._group_of = group_of
        self._limits = limits
        self._waiting: OrderedDict[str, Engines] = OrderedDict()
        self._places: dict[Key, tuple[Hashable, Hashable]] = {}
        self._out: dict[Key, Hashable] = {}
        self._out_of_namespace: Counter[Hashable] = Counter()
        self._out_of_engine: Counter[Hashable] = Counter()
        self._held_up: dict[Hashable, None] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def has_next(self) -> bool:
        return self._next() is not None

    def put(self, key: Key) -> None:
        self._join(key, self._engine_of(key), self._group_of(key))

    def regroup(self, key: Key) -> None:
        """Move a waiting key to its present engine and group."""
        place = self._engine_of(key), self._group_of(key)
        if place != self._places[key]:
            self._leave(key)
            self._join(key, *place)

    def take(self) -> Key:
        """Return the next key, which is out until it is given back. Requires `has_next`."""
        turn = self._next()
        assert turn is not None
        engines = self._waiting[turn.namespace]
        groups = engines[turn.engine]
        group = next(iter(groups))
        key = next(iter(groups[group]))
        self._waiting.move_to_end(turn.namespace)
        engines.move_to_end(turn.engine)
        groups.move_to_end(group)
        self._leave(key)
        self._out[key] = turn.engine
        self._out_of_namespace[turn.namespace] += 1
        self._out_of_engine[turn.engine] += 1
        return key

    def give_back(self, key: Key, *, held_up: bool = False) -> None:
        engine = self._out.pop(key)
        self._held_up.pop(engine, None)
        if held_up:
            self._held_up[engine] = None
            if len(self._held_up) > MOST_HELD_UP:
                del self._held_up[next(iter(self._held_up))]
        _count_down(self._out_of_namespace, key.namespace)
        _count_down(self._out_of_engine, engine)

    def _next(self) -> _Turn | None:
        share = self._limits.share(len(self._waiting.keys() | self._out_of_namespace.keys()))
        for namespace, engines in self._waiting.items():
            if self._out_of_namespace[namespace] < share:
                engine = next(filter(self._has_room, engines), None)
                if engine is not None:
                    return _Turn(namespace, engine)
        return None

    def _has_room(self, engine: Hashable) -> bool:
        limit = 1 if engine in self._held_up else self._limits.per_engine
        return self._out_of_engine[engine] < limit

    def _join(self, key: Key, engine: Hashable, group: Hashable) -> None:
        engines = self._waiting.setdefault(key.namespace, OrderedDict())
        engines.setdefault(engine, OrderedDict()).setdefault(group, OrderedDict())[key] = None
        self._places[key] = engine, group

    def _leave(self, key: Key) -> None:
        engine, group = self._places.pop(key)
        engines = self._waiting[key.namespace]
        groups = engines[engine]
        del groups[group][key]
        if not groups[group]:
            del groups[group]
        if not groups:
            del engines[engine]
        if not engines:
            del self._waiting[key.namespace]


def _count_down(counter: Counter[Hashable], what: Hashable) -> None:
    counter[what] -= 1
    if not counter[what]:
        del counter[what]
