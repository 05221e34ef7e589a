"""What all threads of a soak share: the client, the collections, what was found wrong."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from soak.client import Client
from soak.kinds import KINDS
from soak.subject import Subject

MOST_WRONG = 20
Connect = Callable[[str], Client]


@dataclass(frozen=True)
class Options:
    """`low` and `high`: between how many rows a collection swings."""

    seed: int
    seconds: float
    folder: Path
    round_s: float = 12.0
    users: int = 6
    low: int = 9000
    high: int = 18_000
    connect: Connect = Client


@dataclass
class Run:
    """`ending` is set while the engine is told to end, so that calls may fail."""

    options: Options
    tell: Callable[[str], None]
    client: Client
    subjects: list[Subject] = field(default_factory=lambda: [Subject(kind) for kind in KINDS])
    calls: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    is_growing: bool = True
    flushes: bool = True
    """Whether rows are to be flushed often; else a kill finds many in the insert log alone."""
    ending: threading.Event = field(default_factory=threading.Event)
    round_is_over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_lost(self) -> bool:
        """Whether so much is wrong that going on would tell nothing more."""
        return len(self.wrong) >= MOST_WRONG

    def called(self, what: str) -> None:
        with self._lock:
            self.calls[what] += 1

    def left_open(self, what: str) -> None:
        """Note a call of which nobody knows what came."""
        with self._lock:
            self.unanswered[what] += 1

    def complain(self, call: str, what: str) -> None:
        with self._lock:
            self.wrong.append(f"seed {self.options.seed}: {call}: {what}")
            self.tell(f"WRONG: {self.wrong[-1]}")
