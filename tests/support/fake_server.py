"""What servers in memory have in common, whatever their protocol."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from quiver.domain.access import Login
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.troubles import EngineReport
from quiver.ports.engines import NO_PROPERTIES
from quiver.ports.errors import EngineError, WrongEngine

DEFAULT = "_default"


@dataclass
class FakeCollection:
    """`rows` has the number of rows by partition."""

    schema: CollectionSchema
    rows: dict[str, int] = field(default_factory=lambda: {DEFAULT: 0})

    @property
    def index(self) -> Index | None:
        """The index, in the words of the ports."""
        raise NotImplementedError


class FakeServer(ABC):
    """What one server knows. `calls` counts what it was asked, by the port's names.

    `instance` is the id of its data; None for a server that tells none.
    """

    told_version: str

    def __init__(self, instance: str | None = None) -> None:
        self.instance = instance
        self.collections: dict[str, FakeCollection] = {}
        self.calls: Counter[str] = Counter()
        self.up = True
        self.report = EngineReport()
        self._refusals: dict[str, EngineError] = {}

    def refuse(self, error: EngineError, *calls: str) -> None:
        """From now on each of these calls ends with the error; every call if none is named."""
        self._refusals.update(dict.fromkeys(calls or [""], error))

    def accept(self) -> None:
        """Take back what `refuse` was told."""
        self._refusals.clear()

    def check(self, call: str, instance: str | None, login: Login | None) -> None:
        """Count a call, and refuse what the server does not carry out. Raises: EngineError."""
        self.calls[call] += 1
        self.check_meant_for(instance)
        self.check_login(login)
        error = self._refusals.get(call) or self._refusals.get("")
        if error is not None:
            raise error

    def check_meant_for(self, instance: str | None) -> None:
        """Refuse a call that is meant for another engine, as Quiver's does; others do not look."""
        if instance is not None and self.instance not in (None, instance):
            raise WrongEngine("this is another engine than the call is meant for")

    def check_login(self, login: Login | None) -> None:  # noqa: B027 - most look at none
        """Refuse whoever may not log in. Raises: EngineUnauthenticated."""

    def insert(self, name: str, rows: int, tag: str = DEFAULT) -> None:
        """What a client does; the rows are flushed already."""
        self.found(name).rows[tag] += rows

    def empty(self, name: str, tag: str = DEFAULT) -> None:
        self.found(name).rows[tag] = 0

    def count_rows(self, name: str, tag: str | None) -> int:
        rows = self.found(name).rows
        return sum(rows.values()) if tag is None else rows.get(tag, 0)

    def restarted(self, *, is_empty: bool) -> None:
        """Come up anew; without its data if `is_empty`."""
        if is_empty:
            self.collections.clear()

    def list_collections(self) -> frozenset[str]:
        return frozenset(self.collections)

    def drop(self, name: str) -> None:
        self.collections.pop(name, None)

    def drop_partition(self, name: str, tag: str) -> None:
        found = self.collections.get(name)
        if found is not None and tag != DEFAULT:
            found.rows.pop(tag, None)

    @abstractmethod
    def found(self, name: str) -> FakeCollection:
        """Return the collection. Raises: EngineRefused."""

    @abstractmethod
    def describe(self, name: str) -> ObservedCollection | None: ...

    @abstractmethod
    def describe_index(self, name: str) -> ObservedIndex: ...

    @abstractmethod
    def set_index(self, name: str, index: Index | None, metric_type: str | None = None) -> None: ...

    @abstractmethod
    def search_once(self, schema: CollectionSchema) -> None: ...

    @abstractmethod
    def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None: ...

    @abstractmethod
    def create_partition(self, name: str, tag: str) -> None: ...
