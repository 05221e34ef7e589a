"""The engine port against servers that are out to do harm: anybody may name any server."""

import asyncio
import json
import os
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import NoneType
from typing import Any, Self

import grpc.aio
import pytest
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from quiver.adapters.milvus1 import indexes
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineError, EngineRefused
from quiver_proto import milvus_pb2 as pb
from support.hostile_messages import ENDS, METHODS, PARAMS, messages, twisted

Answer = Callable[[str], bytes]

INDEX = Index(type="IVF_FLAT", params={"nlist": 8})
SCHEMA = CollectionSchema(name="docs", dimension=8, index_file_size=64, metric_type="IP")
FORGED = "no\n2024-05-01T12:00:00.000Z ERROR   the lease is lost\x1b[31m\u202e\u2028\0"
ENDLESS = "building"
"""A collection whose index takes for ever."""

CALLS: dict[str, tuple[Callable[[EngineClient], Awaitable[object]], tuple[type, ...]]] = {
    "version": (lambda c: c.version(), (str,)),
    "instance": (lambda c: c.instance(), (str, NoneType)),
    "list_collections": (lambda c: c.list_collections(), (frozenset,)),
    "describe": (lambda c: c.describe("docs"), (ObservedCollection, NoneType)),
    "count_rows": (lambda c: c.count_rows("docs"), (int,)),
    "count_rows_of": (lambda c: c.count_rows("docs", "2024"), (int,)),
    "describe_index": (lambda c: c.describe_index("docs"), (ObservedIndex,)),
    "describe_build": (lambda c: c.describe_index(ENDLESS), (ObservedIndex,)),
    "set_index": (lambda c: c.set_index("docs", INDEX), (NoneType,)),
    "drop_index": (lambda c: c.set_index("docs", None), (NoneType,)),
    "create": (lambda c: c.create(SCHEMA), (NoneType,)),
    "drop": (lambda c: c.drop("docs"), (NoneType,)),
    "create_partition": (lambda c: c.create_partition("docs", "2024"), (NoneType,)),
    "drop_partition": (lambda c: c.drop_partition("docs", "2024"), (NoneType,)),
}


class HostileServer(grpc.GenericRpcHandler):
    """Answers each call as it was told to last: with bytes, or with a status of gRPC."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _method: b""
        self.failure: tuple[grpc.StatusCode, str] | None = None
        self._server = grpc.aio.server()

    async def __aenter__(self) -> Self:
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method.rpartition("/")[2]

        async def answer(request: bytes, context: Any) -> bytes:
            if method == "CreateIndex" and ENDLESS.encode() in request:
                await asyncio.Event().wait()
            if self.failure is not None:
                await context.abort(*self.failure)
            return self.answer(method)

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
async def server() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


@pytest.fixture
async def client(
    server: HostileServer,
    engines: Milvus1Engines,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[EngineClient]:
    """A client that has an index built; nothing that it is answered may be called a bug."""
    client = engines.at(Target(server.address, "Quiver"))
    with monkeypatch.context() as patched:
        patched.setattr(indexes, "REFUSAL_S", 0)
        await client.set_index(ENDLESS, INDEX)
    yield client
    # The server complains too, in the same log, when a client takes no more of an answer.
    records = [r for r in caplog.get_records("call") if "servicer method" not in r.message]
    assert [record.message for record in records if record.exc_info] == []
    assert all(r.message.isprintable() and len(r.message) < 400 for r in records)


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


async def check_all(client: EngineClient) -> None:
    """Have every call answer with a value of its type, or with an error of one short line."""
    for call, types in CALLS.values():
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
    if isinstance(value, int):
        assert len(str(value)) < 30


def check_words(words: str) -> None:
    assert words.isprintable()
    assert len(words) <= 300


@pytest.mark.parametrize("code", [1, 4, 4711, -(2**31)])
@pytest.mark.parametrize(
    "reason",
    ["", FORGED, "\n" * 2**20, "x" * 2**20, "\x1b[31m" * 3 * 2**20, "x" * 2**24],
    ids=brief,
)
async def test_a_reason_is_one_short_line(
    server: HostileServer, client: EngineClient, code: int, reason: str
) -> None:
    """Whatever code a refusal has, known or not, and however long and odd its reason is."""
    status = pb.Status(error_code=code, reason=reason)  # type: ignore[arg-type]
    server.answer = always(status)
    await check_all(client)


async def test_codes_are_of_a_known_number(server: HostileServer, client: EngineClient) -> None:
    """Metrics have a label of the code, which a server cannot multiply."""
    codes = set()
    for code in range(100, 200):
        status = pb.Status(error_code=code)  # type: ignore[arg-type]
        server.answer = always(status)
        with pytest.raises(EngineRefused) as refused:
            await client.create(SCHEMA)
        codes.add(refused.value.code)
    assert codes == {"UNKNOWN_CODE"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
async def test_a_status_of_grpc_is_one_short_line(
    server: HostileServer, client: EngineClient, code: grpc.StatusCode
) -> None:
    """Details that a server gives are no better than reasons."""
    for details in ("", FORGED, "x" * 4000):
        server.failure = (code, details)
        await check_all(client)


async def test_details_need_not_be_text(engines: Milvus1Engines, client: EngineClient) -> None:
    """Details that are no UTF-8 are told as far as they are, and gRPC does not log them."""
    server = grpc.server(ThreadPoolExecutor(1))

    def abort(_request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.INTERNAL, b"\xff\nlost")
        raise AssertionError("abort raises")

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(abort)
    server.add_registered_method_handlers("milvus.grpc.MilvusService", {"Cmd": handler})
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(EngineError, match=r"failed: ÿ lost \(INTERNAL\)"):
        await engines.at(Target(f"127.0.0.1:{port}", "Quiver")).version()
    server.stop(None).wait()


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 40,
        b"\x0b" * 10_000,
        b"\x0a\xff\xff\xff\xff\x07",
        b"\x0a\x04\x12\x02\xff\xfe",
        b"\x12\x02\xff\xfe",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 2**20,
    ],
    ids=brief,
)
async def test_what_is_no_message_is_refused(
    server: HostileServer, client: EngineClient, raw: bytes
) -> None:
    """An answer that cannot be parsed is an engine's error, and nobody's bug."""
    server.answer = lambda _method: raw
    await check_all(client)
    with pytest.raises(EngineRefused, match=r"is not as Milvus 1\.x says it"):
        await client.version()


INFOS = [
    *PARAMS,
    "",
    "null",
    "{}",
    '{"partitions": null}',
    '{"partitions": {}}',
    '{"partitions": [null]}',
    '{"partitions": [{}]}',
    '{"partitions": [{"tag": 5, "row_count": 1, "segments": null}]}',
    '{"partitions": [{"tag": "2024", "row_count": "many", "segments": []}]}',
    '{"partitions": [{"tag": "2024", "row_count": 1.5, "segments": []}]}',
    '{"partitions": [{"tag": "2024", "row_count": -1, "segments": []}]}',
    '{"partitions": [{"tag": "2024", "row_count": NaN, "segments": []}]}',
    '{"partitions": [{"tag": "2024", "row_count": 1e400, "segments": []}]}',
    '{"partitions": [{"tag": "2024", "row_count": ' + "9" * 4299 + ', "segments": []}]}',
    '{"partitions": [{"tag": "2024", "row_count": 1, "segments": [{"row_count": 5}]}]}',
    '{"partitions": [], "more": ' + "[" * 2**20 + "}",
    '{"partitions": ' + "[" * 2**20,
]
OK = pb.Status()


@pytest.mark.parametrize("info", INFOS, ids=brief)
async def test_what_it_says_of_its_rows_is_held_against_the_protocol(
    server: HostileServer, client: EngineClient, info: str
) -> None:
    """JSON that is none, or says something else than it should, is refused, and never taken for no
    rows: empty partitions may be dropped.
    """
    server.answer = always(OK, json_info=info)
    await check_all(client)
    with pytest.raises(EngineRefused, match=r"of its partitions is not as Milvus 1\.x says it"):
        await client.count_rows("docs", "2024")


async def test_what_it_says_of_its_rows_is_read(
    server: HostileServer, client: EngineClient
) -> None:
    """As Milvus says it: null for no segments, and much that Quiver does not ask for."""
    info = (
        '{"row_count": 9, "partitions": [{"tag": "_default", "row_count": 0, "segments": null},'
        '{"tag": "2024", "row_count": 5009, "segments": [{"name": "1", "row_count": 5000,'
        '"index_name": "IVFFLAT", "data_size": 1}, {"row_count": 9, "index_name": "IDMAP"}]}]}'
    )
    server.answer = always(OK, json_info=info)
    assert await client.count_rows("docs", "2024") == 5009
    progress = (await client.describe_index(ENDLESS)).progress
    assert progress is not None
    assert (progress.built, progress.total) == (1, 1)


@pytest.mark.parametrize(
    ("type_", "params", "found"),
    [
        (2, '{"nlist": 8}', INDEX),
        (2, "", Index(type="IVF_FLAT")),
        (1, "{", None),
        (2, '{"nlist": "8"}', None),
        (2, '{"nlist": 8.5}', None),
        (2, '{"nlist": 8, "metric": "L2"}', None),
        (2, '{"nlist": true}', None),
        (99, '{"nlist": 8}', None),
        (-(2**31), "{}", None),
    ],
)
async def test_an_index_that_no_spec_can_name_is_none(
    server: HostileServer, client: EngineClient, type_: int, params: str, found: Index | None
) -> None:
    """The wanted index is then built over it, as over none."""
    extra = [pb.KeyValuePair(key="params", value=params)]
    server.answer = always(OK, index_type=type_, extra_params=extra)
    assert await client.describe_index("docs") == ObservedIndex(index=found)


@pytest.mark.parametrize(
    "params", ["{", "null", "[]", '"nlist"', '{"nlist": NaN}', "[" * 2**20], ids=brief
)
async def test_params_that_are_none_are_refused(
    server: HostileServer, client: EngineClient, params: str
) -> None:
    """Nothing is built where the server does not speak as Milvus does: it might never end."""
    extra = [pb.KeyValuePair(key="params", value=params)]
    server.answer = always(OK, index_type=2, extra_params=extra)
    await check_all(client)
    with pytest.raises(EngineRefused, match=r"of its index is not as Milvus 1\.x says it"):
        await client.describe_index("docs")


async def test_what_it_calls_things_is_one_short_line(
    server: HostileServer, client: EngineClient
) -> None:
    """Version, name and numbers get into messages; the longest good name stays whole."""
    for name in (FORGED, "x" * 2**20, "x" * 255):
        fields = {"collection_name": name, "string_reply": name, "metric_type": -(2**31)}
        for number in ENDS:
            sizes = {"dimension": number, "index_file_size": number, "collection_row_count": number}
            fields |= {field: min(size, 2**63 - 1) for field, size in sizes.items()}
            server.answer = always(OK, **fields)
            await check_all(client)
    found = await client.describe("docs")
    assert found is not None
    assert found.schema.name == "x" * 255


def statuses() -> st.SearchStrategy[pb.Status]:
    good, texts = st.just(OK), st.text() | st.just(FORGED)
    codes = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 25)
    return good | st.builds(
        lambda code, text: pb.Status(error_code=code, reason=text), codes, texts
    )


def infos() -> st.SearchStrategy[str]:
    """Return JSON that is nearly as Milvus says it."""
    odd = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers()
    rows, names = st.integers(0, 9000) | odd, st.sampled_from(["IDMAP", "HNSW"]) | odd
    segment = st.fixed_dictionaries({"row_count": rows}, optional={"index_name": names})
    segments = st.lists(segment | odd, max_size=3) | odd
    tags = st.sampled_from(["2024", "_default"]) | odd
    partition = st.fixed_dictionaries({"tag": tags, "row_count": rows, "segments": segments})
    partitions = st.lists(partition | odd, max_size=3) | odd
    return st.fixed_dictionaries({"partitions": partitions}).map(json.dumps)


def answers(method: str) -> st.SearchStrategy[bytes]:
    """Return as many broken answers as valid ones."""
    fields = messages(METHODS[method].output_type)
    told = st.tuples(fields, statuses(), infos()).map(lambda some: raw_of(*some))
    return told | told.flatmap(twisted) | st.binary(max_size=40)


def raw_of(message: Any, status: pb.Status, info: str) -> bytes:
    if isinstance(message, pb.Status):
        return status.SerializeToString()
    if isinstance(message, pb.CollectionInfo):
        message = pb.CollectionInfo(json_info=info)
    message.status.CopyFrom(status)
    raw: bytes = message.SerializeToString()
    return raw


ASKED = [
    "Cmd",
    "ShowCollections",
    "DescribeCollection",
    "ShowPartitions",
    "CountCollection",
    "DescribeIndex",
    "ShowCollectionInfo",
    "ShowCollectionInfo",
    "CreateIndex",
    "DropPartition",
]


@seed(1)
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(ASKED).flatmap(lambda rpc: st.tuples(st.just(rpc), answers(rpc))))
async def test_no_answer_is_a_bug(
    server: HostileServer, client: EngineClient, told: tuple[str, bytes]
) -> None:
    """Random answers, valid ones and broken ones, are values or errors of engines."""
    rpc, raw = told
    server.answer = lambda method: raw if method == rpc else b""
    await check_all(client)


ASK = """
import asyncio
import sys

import quiver.app
from quiver.adapters.milvus1.driver import Deadlines, Milvus1Engines
from quiver.domain.access import Target
from quiver.ports.errors import EngineError

async def ask():
    engines = Milvus1Engines(Deadlines(read=1))
    try:
        await engines.at(Target(sys.argv[1], "Quiver")).version()
    except EngineError:
        print("failed")
    await engines.close()

asyncio.run(ask())
"""


async def test_grpc_itself_writes_nothing(hangs_up: str) -> None:
    """What a server says when it closes a connection is not written past the operator's log."""
    environment = {k: v for k, v in os.environ.items() if k != "GRPC_VERBOSITY"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ASK,
        hangs_up,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await process.communicate() == (b"failed\n", b"")


@pytest.fixture
async def hangs_up() -> AsyncIterator[str]:
    """The address of a server that closes each connection, with a word in HTTP/2's GOAWAY."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24)
        word = struct.pack(">II", 2**31 - 1, 2) + FORGED.encode()
        settings, goaway = 4, 7
        for kind, payload in ((settings, b""), (goaway, word)):
            length = len(payload).to_bytes(3, "big")
            writer.write(length + bytes([kind, 0, 0, 0, 0, 0]) + payload)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
