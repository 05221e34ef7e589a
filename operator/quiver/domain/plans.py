"""What applying manifests will do: one change for each object."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from quiver.domain.kubernetes_types import Key, Kind
from quiver.domain.row_sizes import RowSize


class Action(StrEnum):
    """What happens to an object's collection, or to an engine."""

    CREATE = "create"
    ADOPT = "adopt"
    CHANGE = "change"
    DROP = "drop"
    RELEASE = "release"
    """The object goes, and its collection stays on the engine."""
    WAITS = "waits"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It could not be found out."""
    NONE = "none"


class Danger(IntEnum):
    """How much a change endangers, the worst first."""

    DROPS_ROWS = 0
    """A collection or a partition that holds some."""
    UNKNOWN = 1
    REFUSED = 2
    DROPS = 3
    """Collections and partitions that are empty, or an engine."""
    INTERRUPTS = 4
    """Searches fail, or are slower, for a while."""
    RELEASES = 5
    WAITS = 6
    ADOPTS = 7
    CREATES = 8
    CHANGES = 9
    NOTHING = 10


@dataclass(frozen=True)
class Stake:
    """A collection or a partition that is dropped. `rows` is None if the engine did not tell."""

    what: str
    rows: int | None
    row_size: RowSize

    @property
    def bytes(self) -> int | None:
        """Of what rows have that is of a fixed size: at least that many, if `is_least`."""
        return None if self.rows is None else self.rows * self.row_size.bytes

    @property
    def is_least(self) -> bool:
        return bool(self.rows) and self.row_size.is_least


@dataclass(frozen=True, kw_only=True)
class Change:
    """What applying the manifests does to one object.

    `what` are phrases. `fields` are those of the spec that change. `reason` and `message` say what
    it waits for, why it is refused, or why it is not known. `is_change` tells whether applying the
    manifests changes anything, `interrupts` whether searches suffer from it for a while. `warnings`
    are the API server's. `source` is FILE:LINE of its manifest, empty for one that has none.
    """

    kind: Kind
    key: Key
    action: Action
    what: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""
    stakes: tuple[Stake, ...] = ()
    is_change: bool = True
    interrupts: bool = False
    warnings: tuple[str, ...] = ()
    source: str = ""

    @property
    def rows(self) -> int | None:
        """Rows that are dropped; None if an engine did not tell."""
        return _total(stake.rows for stake in self.stakes)

    @property
    def bytes(self) -> int | None:
        return _total(stake.bytes for stake in self.stakes)

    @property
    def is_least(self) -> bool:
        """Tell whether there may be more bytes than these, in fields of any length."""
        return any(stake.is_least for stake in self.stakes)

    @property
    def is_known(self) -> bool:
        return self.action is not Action.UNKNOWN and self.rows is not None

    @property
    def danger(self) -> Danger:
        if not self.is_known:
            return Danger.UNKNOWN
        if self.rows:
            return Danger.DROPS_ROWS
        if self.action is Action.REFUSED:
            return Danger.REFUSED
        if self.action is Action.DROP or self.stakes:
            return Danger.DROPS
        if self.interrupts:
            return Danger.INTERRUPTS
        return _DANGERS[self.action]


_DANGERS = {
    Action.RELEASE: Danger.RELEASES,
    Action.WAITS: Danger.WAITS,
    Action.ADOPT: Danger.ADOPTS,
    Action.CREATE: Danger.CREATES,
    Action.CHANGE: Danger.CHANGES,
    Action.NONE: Danger.NOTHING,
}


class Exit(IntEnum):
    """The exit code of a plan."""

    NOTHING = 0
    ERROR = 1
    CHANGES = 2
    DESTRUCTIVE = 3


def exit_of(changes: Iterable[Change]) -> Exit:
    """Return the exit code: what is not known counts most."""
    dangers = {change.danger for change in changes if change.is_change or not change.is_known}
    if Danger.UNKNOWN in dangers:
        return Exit.ERROR
    if dangers & {Danger.DROPS_ROWS, Danger.REFUSED, Danger.DROPS}:
        return Exit.DESTRUCTIVE
    return Exit.CHANGES if dangers else Exit.NOTHING


def by_danger(changes: Iterable[Change]) -> list[Change]:
    """Return the changes, the worst first, and of those that are as bad the one with most rows."""
    return sorted(changes, key=lambda c: (c.danger, -(c.rows or 0), c.kind.kind, c.key))


def counted(changes: Sequence[Change]) -> dict[str, int]:
    """Return how many changes there are of each action."""
    found = Counter(change.action for change in changes)
    return {action.value: found[action] for action in Action if found[action]}


def _total(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total
