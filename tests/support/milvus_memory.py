"""What a Milvus 2.x in memory holds: databases, collections, and which of them are loaded."""

from dataclasses import dataclass, field

from quiver.domain.collections import ObservedLoad
from support.fake_server import FakeCollection, FakeServer
from support.milvus_codes import (
    MEMORY,
    NO_COLLECTION,
    NO_DATABASE,
    NO_INDEX,
    refused,
    standing,
)

DEFAULT_DATABASE = "default"
NOT_IN_MEMORY = ObservedLoad(state="NotLoaded")


@dataclass
class MilvusCollection(FakeCollection):
    """`metric` is that of the index; None while there is none. `is_binary`: the vectors are bits.
    `copies` are those that the last load asked for.
    """

    is_binary: bool = False
    metric: str | None = None
    load: ObservedLoad = NOT_IN_MEMORY
    copies: int = 1
    properties: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    other_fields: tuple[str, ...] = ()


class MilvusMemory(FakeServer):
    """`query_nodes` is how many copies of a collection can be in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.databases = {DEFAULT_DATABASE}
        self.query_nodes = 2
        self._loads_slowly = False
        self._load_failure: str | None = None

    # What a test does behind the port.

    def load_slowly(self) -> None:
        """From now on a load goes on when the test says so, by `load_part`."""
        self._loads_slowly = True

    def load_part(self, name: str, percent: int) -> None:
        """Load the collection up to so much; 100 ends the load."""
        found = self.found(name)
        assert found.load.state == "Loading"
        if percent < 100:
            found.load = ObservedLoad(state="Loading", progress=percent)
        else:
            found.load = ObservedLoad(state="Loaded", replicas=found.copies)

    def fail_loads(self, why: str | None) -> None:
        """From now on there is no memory for a load, in these words; with None there is again."""
        self._load_failure = why

    def restarted(self, *, is_empty: bool = False, forgets: bool = False) -> None:
        """Come up anew: what was in memory is being loaded again, or is not if the server
        `forgets`, as milvus-lite does.
        """
        super().restarted(is_empty=is_empty)
        if is_empty:
            self.databases = {DEFAULT_DATABASE}
        for found in map(self.found, self.collections):
            if found.load.state != "NotLoaded":
                found.load = NOT_IN_MEMORY
                if not forgets:
                    self._begin_load(found)

    # What the port asks.

    def found(self, name: str) -> MilvusCollection:
        self.check_database(name)
        found = self.named(name)
        if found is None:
            raise refused(NO_COLLECTION, f"can't find collection[collection={name}]")
        return found

    def describe_load(self, name: str) -> ObservedLoad:
        return self.found(name).load

    def load(self, name: str, replicas: int) -> None:
        found = self.found(name)
        if found.metric is None:
            raise refused(NO_INDEX, "there is no vector index on field: [vector]")
        if self._load_failure is not None:
            raise refused(MEMORY, self._load_failure)
        if replicas > self.query_nodes:
            reason = f"{replicas} replicas need as many query nodes, and there are fewer"
            raise standing(reason)
        if found.load.state != "NotLoaded" and found.copies == replicas:
            return
        found.copies = replicas
        self._begin_load(found)

    def release(self, name: str) -> None:
        """Releasing what is not there is done."""
        self.check_database(name)
        if self.named(name) is not None:
            self.found(name).load = NOT_IN_MEMORY

    def _begin_load(self, found: MilvusCollection) -> None:
        found.load = ObservedLoad(state="Loading", progress=0)
        if not self._loads_slowly:
            found.load = ObservedLoad(state="Loaded", replicas=found.copies)

    def named(self, name: str) -> MilvusCollection | None:
        """Return the collection that has the name, or the alias."""
        database, _, own = name.rpartition("/")
        for full, found in self.collections.items():
            assert isinstance(found, MilvusCollection)
            is_alias = full.rpartition("/")[0] == database and own in found.aliases
            if full == name or is_alias:
                return found
        return None

    def check_database(self, name: str) -> None:
        database = name.rpartition("/")[0] or DEFAULT_DATABASE
        if database not in self.databases:
            raise refused(NO_DATABASE, f"database not found[database={database}]")
