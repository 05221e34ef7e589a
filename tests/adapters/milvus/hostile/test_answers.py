"""The driver of Milvus 2.x against servers that are out to do harm."""

from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from quiver.adapters.grpc.calls import Deadlines
from quiver.adapters.milvus.driver import MilvusEngines
from quiver.domain.access import Target
from quiver.domain.collection_schemas import IndexProgress, ObservedIndex, ObservedLoad
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb
from support.hostile_messages import ENDS, messages, twisted
from support.hostile_milvus import (
    CALLS,
    HNSW,
    METHODS,
    OK,
    SCHEMA,
    always,
    described,
    honest,
    index_of,
    loads_of,
    pairs,
)
from support.hostile_server import FORGED, HostileServer, brief, check_all, check_words

MIB = 2**20


async def test_an_honest_server_is_understood(server: HostileServer, client: EngineClient) -> None:
    """So that the other tests are about what they change."""
    server.answer = honest()
    for name, (call, types) in CALLS.items():
        if name not in ("create", "create_long", "create_partition", "alter_function"):
            assert isinstance(await call(client), types), name
    found = await client.describe("docs")
    assert found is not None
    assert (found.schema, found.partitions, found.other_fields) == (SCHEMA, {"2024"}, ())
    assert await client.describe_index("docs") == ObservedIndex(index=HNSW)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 40,
        b"\x0b" * 10_000,
        b"\x0a\xff\xff\xff\xff\x07",
        b"\x0a\x04\x12\x02\xff\xfe",
        b"\x12\x02\xff\xfe",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 2**15,
    ],
    ids=brief,
)
async def test_what_is_no_message_is_refused(
    server: HostileServer, client: EngineClient, raw: bytes
) -> None:
    """An answer that cannot be parsed is an engine's error, and nobody's bug."""
    server.answer = lambda _method: raw
    await check_all(client, CALLS)
    with pytest.raises(EngineRefused, match=r"is not as Milvus 2\.x says it"):
        await client.version()


COUNTS = ["", "-1", "1.5", "9" * 30, "1e3", " 1", "\u0661", "many", FORGED, "0x10"]


@pytest.mark.parametrize("count", COUNTS, ids=brief)
async def test_a_count_that_is_no_number_is_refused(
    server: HostileServer, client: EngineClient, count: str
) -> None:
    """It is never taken for no rows: empty partitions may be dropped."""
    for stats in (pairs(row_count=count), pairs(rows="1"), []):
        server.answer = honest(stats=stats)
        for call in (client.count_rows("docs"), client.count_rows("docs", "2024")):
            with pytest.raises(EngineRefused, match=r"of its rows is not as Milvus 2\.x says it"):
                await call


async def test_rows_that_are_not_written_are_not_counted(server: HostileServer) -> None:
    """A server that does not write what it has in memory cannot say that there is nothing."""
    engines = MilvusEngines(Deadlines(read=0.2, change=1.0))
    server.answer = honest(stats=pairs(row_count="0"), flushed=False)
    with pytest.raises(EngineRefused, match="cannot tell their number") as refused:
        await engines.at(Target(server.address, "Milvus")).count_rows("docs")
    assert refused.value.retriable
    await engines.close()


LONG = '{"a": "' + "x" * 2**17 + '"}'
PARAMS = [LONG, "{", "null", "[]", '"nlist"', '{"nlist": NaN}', "[" * 2**15, '{"a": ' * 600]


@pytest.mark.parametrize("params", PARAMS, ids=brief)
async def test_params_that_are_none_are_refused(
    server: HostileServer, client: EngineClient, params: str
) -> None:
    """Nothing is built where the server does not speak as Milvus does: it might never end."""
    index = index_of(params=pairs(index_type="HNSW", metric_type="IP", params=params))
    server.answer = honest(index_descriptions=[index])
    await check_all(client, CALLS)
    with pytest.raises(EngineRefused, match=r"of its index is not as Milvus 2\.x says it"):
        await client.describe_index("docs")


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ({"M": "16", "efConstruction": "64"}, {"M": "16", "efConstruction": "64"}),
        ({"params": '{"M": 1.5, "a": true, "b": null, "c": [1]}'}, {"M": "1.5", "a": "true"}),
        ({"params": '{"M": ' + "9" * 4000 + "}"}, {}),
        ({"params": '{"M": "' + "x" * 4000 + '"}'}, {"M": "x" * 255 + "…"}),
        ({"params": '{"M": "a\\nb"}', FORGED: "a\nb"}, {"M": "a b"}),
    ],
    ids=brief,
)
async def test_parameters_are_numbers_or_short_lines(
    server: HostileServer, client: EngineClient, entries: dict[str, str], found: dict[str, str]
) -> None:
    """Those in JSON and those beside it; they get into an object's status."""
    params = pairs(index_type="HNSW", metric_type="IP", **entries)
    server.answer = honest(index_descriptions=[index_of(params=params)])
    await check_all(client, CALLS)
    index = (await client.describe_index("docs")).index
    assert index is not None
    assert found.items() <= index.params.items()


@pytest.mark.parametrize("type_", ["FLAT", "BIN_FLAT", "SPARSE_WAND", "", FORGED], ids=brief)
async def test_an_index_that_no_spec_can_name_is_none(
    server: HostileServer, client: EngineClient, type_: str
) -> None:
    """It is not missing: a spec without an index leaves it alone."""
    params = pairs(index_type=type_, metric_type="IP")
    server.answer = honest(index_descriptions=[index_of(params=params)])
    assert await client.describe_index("docs") == ObservedIndex(index=None)
    server.answer = honest(index_descriptions=[index_of(field_name="other")])
    assert await client.describe_index("docs") == ObservedIndex(index=None, missing=True)


@pytest.mark.parametrize(
    ("state", "indexed", "total", "progress"),
    [
        (pb.IN_PROGRESS, 3, 9, (3, 9)),
        (pb.UNISSUED, 10, 9, (9, 9)),
        (pb.RETRY, -1, -9, (0, 0)),
        (pb.FINISHED, 3, 9, None),
        (99, 2**63 - 1, -(2**63), None),
    ],
)
async def test_progress_is_from_nothing_to_all(
    server: HostileServer,
    client: EngineClient,
    state: pb.IndexState.ValueType,
    indexed: int,
    total: int,
    progress: tuple[int, int] | None,
) -> None:
    """Whatever numbers the server has for it."""
    index = index_of(state=state, indexed_rows=indexed, total_rows=total)
    server.answer = honest(index_descriptions=[index])
    expected = None if progress is None else IndexProgress(built=progress[0], total=progress[1])
    assert (await client.describe_index("docs")).progress == expected


@pytest.mark.parametrize("why", ["", FORGED, "x" * 100_000], ids=brief)
async def test_why_a_build_failed_is_one_short_line(
    server: HostileServer, client: EngineClient, why: str
) -> None:
    """Whatever the server says, and whether or not it says anything."""
    index = index_of(state=pb.FAILED, index_state_fail_reason=why)
    server.answer = honest(index_descriptions=[index])
    found = await client.describe_index("docs")
    assert found.failure
    check_words(found.failure)


@pytest.mark.parametrize("dim", ["", "-8", "8.0", "9" * 10, "\u0668", FORGED, "many"], ids=brief)
async def test_a_dimension_that_is_no_number_is_refused(
    server: HostileServer, client: EngineClient, dim: str
) -> None:
    """A collection cannot be told from the wanted one without it."""
    vector = pb.FieldSchema(name="vector", data_type=pb.FLOAT_VECTOR, type_params=pairs(dim=dim))
    server.answer = honest(schema=described(vector))
    await check_all(client, CALLS)
    with pytest.raises(EngineRefused, match=r"of its dimension is not as Milvus 2\.x says it"):
        await client.describe("docs")


UNKNOWN: Any = 99


@pytest.mark.parametrize(
    ("fields", "more", "others"),
    [
        ([], {"enable_dynamic_field": False}, ()),
        ([pb.FieldSchema(name="text", data_type=pb.VARCHAR)], {}, ()),
        ([pb.FieldSchema(name="$meta", data_type=UNKNOWN, is_dynamic=True)], {}, ()),
        ([pb.FieldSchema(name="odd", data_type=UNKNOWN)], {}, ("odd",)),
        ([pb.FieldSchema(name="list", data_type=pb.ARRAY, element_type=UNKNOWN)], {}, ("list",)),
        ([], {"functions": [pb.FunctionSchema(name="rank", type=pb.RERANK)]}, ("rank",)),
        ([], {"functions": [pb.FunctionSchema(name="odd", type=UNKNOWN)]}, ("odd",)),
        ([], {"struct_array_fields": [pb.StructArrayFieldSchema(name="parts")]}, ("parts",)),
    ],
)
async def test_what_no_spec_can_say_is_named(
    server: HostileServer,
    client: EngineClient,
    fields: list[pb.FieldSchema],
    more: dict[str, Any],
    others: tuple[str, ...],
) -> None:
    """Fields and functions of other kinds, and arrays of structs; all else is in the form."""
    server.answer = honest(schema=described(*fields, **more))
    found = await client.describe("docs")
    assert found is not None
    assert found.other_fields == others


@pytest.mark.parametrize("number", ["-8", "8.0", "9" * 10, "\u0668", FORGED, ""], ids=brief)
@pytest.mark.parametrize("key", ["max_length", "max_capacity"])
async def test_a_limit_that_is_no_number_is_refused(
    server: HostileServer, client: EngineClient, key: str, number: str
) -> None:
    """A field cannot be told from the wanted one without it."""
    field = pb.FieldSchema(
        name="tags",
        data_type=pb.ARRAY,
        element_type=pb.VARCHAR,
        type_params=pairs(**{"max_length": "8", "max_capacity": "8", key: number}),
    )
    server.answer = honest(schema=described(field))
    await check_all(client, CALLS)
    with pytest.raises(EngineRefused, match=rf"of the {key} of its fields is not as Milvus"):
        await client.describe("docs")


async def test_texts_of_fields_are_no_longer_than_those_of_a_spec(
    server: HostileServer, client: EngineClient
) -> None:
    """Descriptions, defaults, parameters and names."""
    long = "x" * 100_000
    field = pb.FieldSchema(
        name=FORGED,
        data_type=pb.VARCHAR,
        description=long,
        default_value=pb.ValueField(string_data=long),
        type_params=pairs(**{"max_length": "8", "a": long, FORGED: FORGED}),
    )
    function = pb.FunctionSchema(
        name=long,
        description=long,
        type=pb.BM25,
        input_field_names=[FORGED, long],
        params=pairs(a=long),
    )
    server.answer = honest(schema=described(field, functions=[function]))
    await check_all(client, CALLS)


async def test_what_it_calls_things_is_one_short_line(
    server: HostileServer, client: EngineClient
) -> None:
    """Version, names and numbers get into messages; the longest good name stays whole."""
    for name in (FORGED, "x" * 30_000, "x" * 255):
        field = pb.FieldSchema(name=name, data_type=99)  # type: ignore[arg-type]
        fields = {"version": name, "aliases": [name], "db_names": [name]}
        for number in (end for end in ENDS if -(2**31) <= end < 2**31):
            numbers = {"shards_num": number, "consistency_level": number, "state": number}
            schema = described(field, name=name)
            server.answer = honest(**fields, **numbers, schema=schema)
            await check_all(client, CALLS)
    found = await client.describe("docs")
    assert found is not None
    assert found.schema.name == "x" * 255


@pytest.mark.parametrize("code", [1, 4, 65535, 4711, -(2**31)])
@pytest.mark.parametrize("reason", ["", FORGED, "\n" * MIB, "x" * 2**16], ids=brief)
async def test_a_reason_is_one_short_line(
    server: HostileServer, client: EngineClient, code: int, reason: str
) -> None:
    """Whatever code a refusal has, old or new, known or not, and however odd its reason is."""
    for status in (pb.Status(code=code, reason=reason), pb.Status(error_code=code, reason=reason)):
        server.answer = always(status)
        await check_all(client, CALLS)


async def test_codes_are_of_a_known_number(server: HostileServer, client: EngineClient) -> None:
    """Metrics have a label of the code, which a server cannot multiply."""
    codes = set()
    for code in range(3000, 3100):
        for status in (pb.Status(code=code), pb.Status(error_code=code)):
            server.answer = always(status)
            with pytest.raises(EngineRefused) as refused:
                await client.create_partition("docs", "b")
            codes.add(refused.value.code)
    assert codes == {"UNKNOWN_CODE"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
async def test_a_status_of_grpc_is_one_short_line(
    server: HostileServer, client: EngineClient, code: grpc.StatusCode
) -> None:
    """Details that a server gives are no better than reasons."""
    for details in ("", FORGED, "x" * 4000):
        server.failure = (code, details)
        await check_all(client, CALLS)


@pytest.mark.parametrize(("progress", "told"), [(-5, 0), (40, 40), (2**62, 100)])
async def test_the_progress_of_a_load_is_in_percent(
    server: HostileServer, client: EngineClient, progress: int, told: int
) -> None:
    """Whatever number the server has for it."""
    server.answer = honest(state=pb.LOADING, progress=progress)
    expected = ObservedLoad(state="Loading", progress=told)
    assert await loads_of(client).describe_load("docs") == expected


def statuses() -> st.SearchStrategy[pb.Status]:
    codes = st.sampled_from([0, 1, 7, 100, 101, 700, 800, 1100, 1401, 65535]) | st.integers(
        -(2**31), 2**31 - 1
    )
    told = st.builds(
        lambda code, old, text, again: pb.Status(
            code=code, error_code=old, reason=text, retriable=again
        ),
        codes,
        st.sampled_from([0, 0, 1, 4, 54]) | codes,
        st.text() | st.just(FORGED),
        st.booleans(),
    )
    return st.just(OK) | told


def answers(method: str) -> st.SearchStrategy[bytes]:
    """Return as many broken answers as valid ones."""
    fields = messages(METHODS[method].output_type)
    told = st.tuples(fields, statuses()).map(lambda some: raw_of(*some))
    return told | told.flatmap(twisted) | st.binary(max_size=40)


def raw_of(message: Any, status: pb.Status) -> bytes:
    if isinstance(message, pb.Status):
        return status.SerializeToString()
    message.status.CopyFrom(status)
    raw: bytes = message.SerializeToString()
    return raw


ASKED = sorted(METHODS.keys() - {"Insert", "CreateAlias", "DropAlias", "DropDatabase"})


@seed(1)
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(ASKED).flatmap(lambda rpc: st.tuples(st.just(rpc), answers(rpc))))
async def test_no_answer_is_a_bug(
    server: HostileServer, client: EngineClient, told: tuple[str, bytes]
) -> None:
    """Random answers, valid ones and broken ones, are values or errors of engines."""
    rpc, raw = told
    others = honest()
    server.answer = lambda method: raw if method == rpc else others(method)
    await check_all(client, CALLS)
