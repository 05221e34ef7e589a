"""What one run measures. Times are in seconds."""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Figures:
    """Collections applied at once, until the last is Ready, beside a bare loop that makes the same
    calls.

    `floor_s` is the loop's time for objects, calls and Events. `calls` are those to Milvus, for
    each collection.
    """

    collections: int
    loaded: bool
    floor_s: float = 0.0
    ready_s: float = 0.0
    calls: dict[str, float] = field(default_factory=dict)
    api_writes: float = 0.0

    @property
    def ratio(self) -> float:
        return self.ready_s / self.floor_s

    @property
    def how(self) -> str:
        return "indexed and loaded" if self.loaded else "indexed and not loaded"
