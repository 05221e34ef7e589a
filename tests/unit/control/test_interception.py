"""An interceptor sees each call to an engine, and the engine gets it unchanged."""

from collections.abc import Callable
from typing import Any

import pytest

from quiver.control.work.interception import Answer, EngineCall, InterceptedEngines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient, Fields, Loads
from quiver.ports.errors import EngineUnreachable

TARGET = Target("10.0.0.7:19530", "Quiver")
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "version": (),
    "instance": (),
    "report": (),
    "list_collections": (),
    "describe": ("docs",),
    "count_rows": ("docs", "a"),
    "describe_index": ("docs",),
    "set_index": ("docs", object(), "L2"),
    "search_once": (object(),),
    "create": (object(), {"a": "1"}),
    "drop": ("docs",),
    "create_partition": ("docs", "a"),
    "drop_partition": ("docs", "a"),
}
LOADS: dict[str, tuple[object, ...]] = {
    "describe_load": ("docs",),
    "load": ("docs", 2),
    "release": ("docs",),
    "alter_properties": ("docs", {"a": "1"}, ("b",)),
    "list_databases": (),
    "create_database": ("db",),
}
FIELDS: dict[str, tuple[object, ...]] = {
    "describe_indexes": ("docs",),
    "set_field_index": ("docs", object()),
    "drop_field_index": ("docs", "title"),
    "add_field": ("docs", object()),
    "alter_field": ("docs", "title", {"max_length": "64"}),
    "add_function": ("docs", object(), object()),
    "alter_function": ("docs", object()),
}
CALLS = ARGUMENTS | LOADS | FIELDS
CHANGES = {
    *("set_index", "create", "drop", "create_partition", "drop_partition"),
    *("load", "release", "alter_properties", "create_database"),
    *(FIELDS.keys() - {"describe_indexes"}),
}


class AnyEngine:
    """Answers every call with an object of its own, and remembers its name and arguments. It is
    what loads collections, too, and what knows their fields.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.answer = object()

    def at(self, _target: Target) -> Any:
        return self

    @property
    def loads(self) -> Any:
        return self

    @property
    def fields(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: object, **named: object) -> object:
            named_ones = (value for value in named.values() if value is not False)
            self.calls.append((name, (*arguments, *named_ones)))
            return self.answer

        return call


class Seeing:
    """Remembers calls as (target, name, changes)."""

    def __init__(self) -> None:
        self.seen: list[tuple[Target, str, bool]] = []

    async def __call__(self, call: EngineCall[Answer]) -> Answer:
        self.seen.append(call[:3])
        return await call.send()


def test_all_calls_of_the_port_are_tried_here() -> None:
    """A call that is added to the port is to be forwarded too."""
    of_client = {*ARGUMENTS, "loads", "fields"}
    for port, tried in ((EngineClient, of_client), (Loads, {*LOADS}), (Fields, {*FIELDS})):
        assert tried == {name for name in vars(port) if not name.startswith("_")}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_passes_the_interceptor_and_arrives_as_it_was(name: str) -> None:
    """The engine gets its arguments, and the caller the engine's answer; changes have none."""
    engine, intercept = AnyEngine(), Seeing()
    client = InterceptedEngines(engine, intercept).at(TARGET)
    part = client.loads if name in LOADS else client.fields if name in FIELDS else client
    answer = await getattr(part, name)(*CALLS[name])
    assert intercept.seen == [(TARGET, name, name in CHANGES)]
    assert engine.calls == [(name, CALLS[name])]
    assert answer is (None if name in (*CHANGES, "search_once") else engine.answer)


async def test_an_interceptor_may_keep_a_call_back() -> None:
    """What it raises is what the caller gets, and nothing is sent."""

    async def refuse(_call: EngineCall[Answer]) -> Answer:
        raise EngineUnreachable("not now")

    engine = AnyEngine()
    with pytest.raises(EngineUnreachable, match="not now"):
        await InterceptedEngines(engine, refuse).at(TARGET).drop("docs")
    assert engine.calls == []


async def test_an_index_that_is_to_be_built_anew_arrives_so() -> None:
    """It is the one argument that is named."""
    engine = AnyEngine()
    client = InterceptedEngines(engine, Seeing()).at(TARGET)
    assert client.fields is not None
    await client.fields.set_field_index(*FIELDS["set_field_index"], anew=True)
    assert engine.calls == [("set_field_index", (*FIELDS["set_field_index"], True))]
