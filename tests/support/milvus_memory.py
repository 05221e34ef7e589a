"""What a Milvus 2.x in memory holds: databases, collections, and which of them are loaded."""

from dataclasses import dataclass, field

import msgspec

from quiver.domain.collection_schemas import ObservedLoad
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import Field, FieldIndex, Form
from quiver.domain.milvus_forms import VECTOR_FIELD
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
PLAIN_TYPES = {"BIN_FLAT": "FLAT", "BIN_IVF_FLAT": "IVF_FLAT"}
"""What the ports call indexes of bits."""


@dataclass
class BuiltIndex:
    """The index of a field as the server tells it; `built` counts rows while it is built."""

    told: FieldIndex
    built: int | None = None


@dataclass
class MilvusCollection(FakeCollection):
    """`indexes` go by field: that of `vector` is the one that the short form calls its index.
    `copies` are those that the last load asked for.
    """

    indexes: dict[str, BuiltIndex] = field(default_factory=dict)
    load: ObservedLoad = NOT_IN_MEMORY
    copies: int = 1
    properties: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    other_fields: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        assert self.schema.form is not None
        return self.schema.form

    @property
    def index(self) -> Index | None:
        """The index of `vector`; None for brute force, and for one that no short form can name."""
        found = self.indexes.get(VECTOR_FIELD)
        if found is None:
            return None
        type_ = found.told.type
        plain = {"type": PLAIN_TYPES.get(type_, type_), "params": found.told.params}
        try:
            return msgspec.convert(plain, Index)
        except msgspec.ValidationError:
            return None

    @property
    def metric(self) -> str | None:
        """What the index of `vector` measures; None while there is none."""
        found = self.indexes.get(VECTOR_FIELD)
        return None if found is None else found.told.metric_type

    @property
    def is_building(self) -> bool:
        return any(index.built is not None for index in self.indexes.values())

    @property
    def without_index(self) -> Field | None:
        """The first field of vectors that cannot be searched yet."""
        return next((f for f in self.form.vectors if f.name not in self.indexes), None)

    def finish_builds(self) -> None:
        for index in self.indexes.values():
            index.built = None


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
        unindexed = found.without_index
        if unindexed is not None:
            raise refused(NO_INDEX, f"there is no vector index on field: [{unindexed.name}]")
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
