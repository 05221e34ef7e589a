"""Keys that wait their turn, in lanes: what one engine's collections do holds up no other's."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

from quiver.domain.objects import Key

LaneOf = Callable[[Key], Hashable]
Groups = OrderedDict[Hashable, OrderedDict[Key, None]]


class Lanes:
    """Lanes take turns. Of each at most `limit` keys are out at a time; of one whose last key was
    held up, one.

    Within a lane groups take turns, so that a crowd keeps no single key waiting that is of another
    group. Within a group the key that has waited longest is next.
    """

    def __init__(
        self, lane_of: LaneOf, limit: int, group_of: Callable[[Key], Hashable] = lambda _key: None
    ) -> None:
        """`lane_of` and `group_of` are asked when a key begins to wait."""
        self._lane_of = lane_of
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
        lane = self._lane_of(key)
        self._join(key, lane, self._group_of(key))
        self._line_up(lane)

    def regroup(self, key: Key) -> None:
        """Let a key that waits go over to the group that it is of by now."""
        lane, before = self._places[key]
        group = self._group_of(key)
        if group != before:
            self._leave(key)
            self._join(key, lane, group)

    def take(self) -> Key:
        """Return the next key, which is out until it is given back. There must be one."""
        lane = next(iter(self._turns))
        del self._turns[lane]
        groups = self._waiting[lane]
        group = next(iter(groups))
        key = next(iter(groups[group]))
        groups.move_to_end(group)
        self._leave(key)
        self._out[key] = lane
        self._busy[lane] += 1
        self._line_up(lane)
        return key

    def give_back(self, key: Key, *, held_up: bool = False) -> None:
        lane = self._out.pop(key)
        if held_up:
            self._held_up.add(lane)
        else:
            self._held_up.discard(lane)
        self._busy[lane] -= 1
        if not self._busy[lane]:
            del self._busy[lane]
        self._line_up(lane)

    def _join(self, key: Key, lane: Hashable, group: Hashable) -> None:
        self._waiting.setdefault(lane, OrderedDict()).setdefault(group, OrderedDict())[key] = None
        self._places[key] = lane, group

    def _leave(self, key: Key) -> None:
        lane, group = self._places.pop(key)
        groups = self._waiting[lane]
        del groups[group][key]
        if not groups[group]:
            del groups[group]
        if not groups:
            del self._waiting[lane]

    def _line_up(self, lane: Hashable) -> None:
        limit = 1 if lane in self._held_up else self._limit
        if lane in self._waiting and self._busy[lane] < limit:
            self._turns.setdefault(lane)
