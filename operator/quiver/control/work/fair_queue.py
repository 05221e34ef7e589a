"""A fair queue of keys in flows: one engine's collections do not hold up another's."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

from quiver.domain.kubernetes_types import Key

FlowOf = Callable[[Key], Hashable]
Groups = OrderedDict[Hashable, OrderedDict[Key, None]]


class FairQueue:
    """Flows take turns. At most `limit` keys of a flow are out (taken and not given back), and only
    one if the last key that was given back was held up.

    Within a flow groups take turns, so that a large group does not keep a key of another group
    waiting. Within a group the key that has waited longest is next.
    """

    def __init__(
        self, flow_of: FlowOf, limit: int, group_of: Callable[[Key], Hashable] = lambda _key: None
    ) -> None:
        """`flow_of` and `group_of` are called when a key starts to wait."""
        self._flow_of = flow_of
        self._group_of = group_of
        self._limit = limit
        self._waiting: dict[Hashable, Groups] = {}
        self._places: dict[Key, tuple[Hashable, Hashable]] = {}
        self._turns: dict[Hashable, None] = {}
        self._out: dict[Key, Hashable] = {}
        self._busy: Counter[Hashable] = Counter()
        self._held_up: set[Hashable] = set()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def has_next(self) -> bool:
        return bool(self._turns)

    def put(self, key: Key) -> None:
        flow = self._flow_of(key)
        self._join(key, flow, self._group_of(key))
        self._line_up(flow)

    def regroup(self, key: Key) -> None:
        """Move a waiting key to its present group."""
        flow, before = self._places[key]
        group = self._group_of(key)
        if group != before:
            self._leave(key)
            self._join(key, flow, group)

    def take(self) -> Key:
        """Return the next key, which is out until it is given back. Requires `has_next`."""
        flow = next(iter(self._turns))
        del self._turns[flow]
        groups = self._waiting[flow]
        group = next(iter(groups))
        key = next(iter(groups[group]))
        groups.move_to_end(group)
        self._leave(key)
        self._out[key] = flow
        self._busy[flow] += 1
        self._line_up(flow)
        return key

    def give_back(self, key: Key, *, held_up: bool = False) -> None:
        flow = self._out.pop(key)
        if held_up:
            self._held_up.add(flow)
        else:
            self._held_up.discard(flow)
        self._busy[flow] -= 1
        if not self._busy[flow]:
            del self._busy[flow]
        self._line_up(flow)

    def _join(self, key: Key, flow: Hashable, group: Hashable) -> None:
        self._waiting.setdefault(flow, OrderedDict()).setdefault(group, OrderedDict())[key] = None
        self._places[key] = flow, group

    def _leave(self, key: Key) -> None:
        flow, group = self._places.pop(key)
        groups = self._waiting[flow]
        del groups[group][key]
        if not groups[group]:
            del groups[group]
        if not groups:
            del self._waiting[flow]

    def _line_up(self, flow: Hashable) -> None:
        limit = 1 if flow in self._held_up else self._limit
        if flow in self._waiting and self._busy[flow] < limit:
            self._turns.setdefault(flow)
