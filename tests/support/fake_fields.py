"""The calls for what only engines do whose collections have fields, to a server in memory."""

from collections.abc import Callable, Mapping

from quiver.domain.collection_schemas import ObservedFieldIndex
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from support.fake_milvus import FakeMilvus


class FakeFields:
    """Implements `quiver.ports.engines.Fields`."""

    def __init__(self, asked: Callable[[str], FakeMilvus]) -> None:
        """`asked` has the server answer a call of that name, or refuse it."""
        self._asked = asked

    async def describe_indexes(self, name: str) -> Mapping[str, ObservedFieldIndex]:
        return self._asked("describe_indexes").describe_indexes(name)

    async def set_field_index(self, name: str, index: FieldIndex, *, anew: bool = False) -> None:
        self._asked("set_field_index").set_field_index(name, index, anew=anew)

    async def drop_field_index(self, name: str, field: str) -> None:
        self._asked("drop_field_index").drop_field_index(name, field)

    async def add_field(self, name: str, field: Field) -> None:
        self._asked("add_field").add_field(name, field)

    async def alter_field(self, name: str, field: str, changed: Mapping[str, str]) -> None:
        self._asked("alter_field").alter_field(name, field, changed)

    async def add_function(self, name: str, function: Function, output: Field | None) -> None:
        self._asked("add_function").add_function(name, function, output)

    async def alter_function(self, name: str, function: Function) -> None:
        self._asked("alter_function").alter_function(name, function)
