"""The calls for what only engines do that load collections, to a server in memory."""

from collections.abc import Callable, Collection, Mapping

from quiver.domain.collection_schemas import ObservedLoad
from support.fake_milvus import FakeMilvus


class FakeLoads:
    """Implements `quiver.ports.engines.Loads`."""

    def __init__(self, asked: Callable[[str], FakeMilvus]) -> None:
        """`asked` has the server answer a call of that name, or refuse it."""
        self._asked = asked

    async def describe_load(self, name: str) -> ObservedLoad:
        return self._asked("describe_load").describe_load(name)

    async def load(self, name: str, replicas: int) -> None:
        self._asked("load").load(name, replicas)

    async def release(self, name: str) -> None:
        self._asked("release").release(name)

    async def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        self._asked("alter_properties").alter_properties(name, changed, deleted)

    async def list_databases(self) -> frozenset[str]:
        return self._asked("list_databases").list_databases()

    async def create_database(self, database: str) -> None:
        self._asked("create_database").create_database(database)
