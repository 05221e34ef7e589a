"""What one run measures. Times are in seconds, CPU in milliseconds a query, memory in MiB."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Search:
    """One kind of search, on the engine and on FAISS in a process: medians over the rounds."""

    data: str
    index: str
    threads: int
    nq: int
    engine_qps: float
    faiss_qps: float
    share: float
    """Of FAISS' queries a second: the median of the rounds' ratios."""
    engine_latency_ms: float
    faiss_latency_ms: float
    engine_cpu_ms: float
    faiss_cpu_ms: float
    bare_qps: float
    bare_latency_ms: float
    """Of a bare gRPC server in Python, which looks at nothing and answers at once."""

    @property
    def above_ms(self) -> float:
        """How much longer a call takes than FAISS does."""
        return self.engine_latency_ms - self.faiss_latency_ms


@dataclass(frozen=True)
class Index:
    data: str
    index: str
    build_s: float
    recall: float


@dataclass(frozen=True)
class Insert:
    """Rows inserted a second, one call of 10,000 after the other: medians over the rounds."""

    data: str
    durability: str
    engine_rows_s: float
    least_rows_s: float
    """Copied in memory, appended to a file, and synced where the engine syncs."""
    share: float
    bare_rows_s: float
    """The same in a bare gRPC server in Python."""
    share_of_bare: float
    flushed_rows_s: float
    """On the engine, with a Flush of all rows of a round in its time."""


@dataclass(frozen=True)
class Beside:
    """Latencies of searches while something else goes on, and of those before it."""

    what: str
    quiet_p50_ms: float
    quiet_p99_ms: float
    p50_ms: float
    p99_ms: float
    times: float
    """p99 beside p99 before: the median of the rounds' ratios."""


@dataclass(frozen=True)
class Startup:
    empty_s: float
    idle_mib: float
    log_rows: int
    """Rows of 128 that were in no segment yet when the engine was killed."""
    log_mib: float
    log_s: float
    """The start that reads them."""


@dataclass(frozen=True)
class Call:
    """Median times of one kind of call."""

    rpc: str
    one_ms: float
    many_ms: float


@dataclass(frozen=True)
class Many:
    """An engine full of empty collections."""

    collections: int
    created_s: float
    rss_mib: float
    idle_cpu_ms: float
    """CPU milliseconds in a second without calls."""
    start_s: float
    calls: list[Call]


@dataclass(frozen=True)
class SideIndex:
    """An index of one server: `one_ms` of calls with one query, `many_qps` with 1,000 in each."""

    index: str
    build_s: float
    load_s: float
    """Until it can be searched: for the engine, the first search."""
    search: str
    recall: float
    one_ms: float
    many_qps: float


@dataclass(frozen=True)
class Side:
    """One server: `start_s` until its first collection is made, memory empty and with indexes."""

    start_s: float
    idle_mib: float
    loaded_mib: float
    insert_s: float
    flush_s: float
    indexes: list[SideIndex]


@dataclass(frozen=True)
class Duel:
    """The engine beside another server, or why that one was not measured."""

    data: str
    name: str
    ours: Side
    theirs: Side | None
    why_not: str = ""


@dataclass
class Run:
    cores: int = 0
    seconds: float = 0.0
    """What the whole run took."""
    rounds: int = 0
    indexes: list[Index] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    inserts: list[Insert] = field(default_factory=list)
    besides: list[Beside] = field(default_factory=list)
    startup: Startup | None = None
    many: Many | None = None
    duels: list[Duel] = field(default_factory=list)
