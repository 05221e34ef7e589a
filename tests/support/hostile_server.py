"""A server that is out to do harm, and what must hold of a client whatever it answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any

import grpc.aio
from google.protobuf.message_factory import GetMessageClass

from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedIndex,
)
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import Field, FieldIndex, Form, Function
from quiver.domain.troubles import EngineReport
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineError
from quiver_proto import milvus_pb2 as pb
from support.grpc_server import RawServer
from support.hostile_messages import METHODS

Answer = Callable[[str], bytes]
INDEX = Index(type="IVF_FLAT", params={"nlist": 8})
SCHEMA = CollectionSchema(name="docs", dimension=8, index_file_size=64, metric_type="IP")
FORGED = "no\n2024-05-01T12:00:00.000Z ERROR   the lease is lost\x1b[31m\u202e\u2028\0"
ENDLESS = "building"
"""A collection whose index takes for ever."""

Calls = Mapping[str, tuple[Callable[[EngineClient], Awaitable[object]], tuple[type, ...]]]

CALLS: Calls = {
    "version": (lambda c: c.version(), (str,)),
    "instance": (lambda c: c.instance(), (str, NoneType)),
    "report": (lambda c: c.report(), (EngineReport,)),
    "list_collections": (lambda c: c.list_collections(), (frozenset,)),
    "describe": (lambda c: c.describe("docs"), (ObservedCollection, NoneType)),
    "count_rows": (lambda c: c.count_rows("docs"), (int,)),
    "count_rows_of": (lambda c: c.count_rows("docs", "2024"), (int,)),
    "describe_index": (lambda c: c.describe_index("docs"), (ObservedIndex,)),
    "describe_build": (lambda c: c.describe_index(ENDLESS), (ObservedIndex,)),
    "set_index": (lambda c: c.set_index("docs", INDEX), (NoneType,)),
    "drop_index": (lambda c: c.set_index("docs", None), (NoneType,)),
    "search_once": (lambda c: c.search_once(SCHEMA), (NoneType,)),
    "create": (lambda c: c.create(SCHEMA), (NoneType,)),
    "drop": (lambda c: c.drop("docs"), (NoneType,)),
    "create_partition": (lambda c: c.create_partition("docs", "2024"), (NoneType,)),
    "drop_partition": (lambda c: c.drop_partition("docs", "2024"), (NoneType,)),
}


class HostileServer(RawServer):
    """Answers each call as it was told to last: with bytes, or with a status of gRPC."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answer = lambda _method: b""
        self.failure: tuple[grpc.StatusCode, str] | None = None
        self.is_building = asyncio.Event()
        """Set once the index that takes for ever is asked for."""

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:
        method = path.rpartition("/")[2]
        if method == "CreateIndex" and ENDLESS.encode() in request:
            self.is_building.set()
            await asyncio.Event().wait()
        if self.failure is not None:
            await context.abort(*self.failure)
        return self.answer(method)


def answer_of(method: str, status: pb.Status, **fields: Any) -> bytes:
    """Return the method's answer with the status; of the fields, those that it has."""
    type_ = METHODS[method].output_type
    if type_.name == "Status":
        return status.SerializeToString()
    known = {name: value for name, value in fields.items() if name in type_.fields_by_name}
    return GetMessageClass(type_)(status=status, **known).SerializeToString()


def always(status: pb.Status, **fields: Any) -> Answer:
    return lambda method: answer_of(method, status, **fields)


def brief(value: object) -> str:
    """Return a parameter's name for reports; some parameters are megabytes."""
    return ascii(str(value)[:24])


async def check_all(client: EngineClient, calls: Calls = CALLS) -> None:
    """Have every call answer with a value of its type, or with an error of one short line."""
    for call, types in calls.values():
        try:
            check_value(await call(client), types)
        except EngineError as error:
            check_words(str(error))


def check_value(value: object, types: tuple[type, ...]) -> None:
    assert isinstance(value, types)
    if isinstance(value, str):
        check_words(value)
    if isinstance(value, ObservedCollection):
        for words in SCHEMA.differences(value.schema):
            check_words(words)
        for name in (*value.aliases, *value.other_fields):
            check_words(name)
        check_form(value.schema.form)
    if isinstance(value, dict):
        for field, index in value.items():
            check_words(field)
            check_value(index, (ObservedFieldIndex,))
    if isinstance(value, ObservedIndex | ObservedFieldIndex):
        check_words(value.failure or "")
        check_index(value.index)
    if isinstance(value, int):
        assert len(str(value)) < 30


def check_form(form: Form | None) -> None:
    """Its texts are compared with those of a spec, and are no longer. Names get into messages."""
    if form is not None:
        parts: list[Field | Function] = [*form.fields, *form.functions]
        for part in parts:
            check_words(part.name)
            assert all(len(str(value)) <= 4096 for value in part.params.values())
            assert len(part.description) <= 1024
        assert all(len(str(field.default)) <= 4096 for field in form.fields)


def check_index(index: Index | FieldIndex | None) -> None:
    """Its parameters get into the status of an object."""
    if index is not None:
        assert len(index.params) <= 256
        for key, param in index.params.items():
            check_words(key)
            check_words(str(param))


def check_words(words: str) -> None:
    assert words.isprintable()
    assert len(words) <= 300


OK = pb.Status()
