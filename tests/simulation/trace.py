"""What happened, in the order in which it happened: for people, and to compare two runs."""

import hashlib
from typing import NamedTuple


class Entry(NamedTuple):
    """`at` is in virtual seconds; `outcome` is empty where there is nothing to add."""

    at: float
    actor: str
    what: str
    outcome: str

    def __str__(self) -> str:
        told = f"{self.at:10.3f}  {self.actor:<10} {self.what}"
        return f"{told}  -> {self.outcome}" if self.outcome else told


class Trace:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, at: float, actor: str, what: str, outcome: str = "") -> None:
        self.entries.append(Entry(at, actor, what, outcome))

    def digest(self) -> str:
        """Return what differs where two traces do."""
        text = "\n".join(map(str, self.entries))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def tail(self, length: int) -> str:
        return "\n".join(map(str, self.entries[-length:]))
