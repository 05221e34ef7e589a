"""Keys that wait their turn, in lanes: what one engine's collections do holds up no other's."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable

from quiver.domain.objects import Key

LaneOf = Callable[[Key], Hashable]


class Lanes:
    """Lanes take turns. Of each at most `limit` keys are out at a time; of one whose last key was
    held up, one.

    Within a lane the key that has waited longest is next.
    """

    def __init__(self, lane_of: LaneOf, limit: int) -> None:
        """`lane_of` is asked when a key begins to wait."""
        self._lane_of = lane_of
        self._limit = limit
        self._waiting: defaultdict[Hashable, deque[Key]] = defaultdict(deque)
        self._turns: dict[Hashable, None] = {}
        self._out: dict[Key, Hashable] = {}
        self._busy: Counter[Hashable] = Counter()
        self._held_up: set[Hashable] = set()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def has_next(self) -> bool:
        return bool(self._turns)

    def put(self, key: Key) -> None:
        lane = self._lane_of(key)
        self._waiting[lane].append(key)
        self._size += 1
        self._line_up(lane)

    def take(self) -> Key:
        """Return the next key, which is out until it is given back. There must be one."""
        lane = next(iter(self._turns))
        del self._turns[lane]
        key = self._waiting[lane].popleft()
        self._size -= 1
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

    def _line_up(self, lane: Hashable) -> None:
        limit = 1 if lane in self._held_up else self._limit
        if lane not in self._waiting:
            return
        if not self._waiting[lane]:
            del self._waiting[lane]
        elif self._busy[lane] < limit:
            self._turns.setdefault(lane)
