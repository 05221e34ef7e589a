"""The engine port against servers that are out to do harm: anybody may name any server."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from quiver.domain.collection_schemas import IndexProgress, ObservedIndex
from quiver.domain.indexes import Index
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus_pb2 as pb
from support.hostile_messages import ENDS, METHODS, PARAMS, messages, twisted
from support.hostile_server import (
    ENDLESS,
    FORGED,
    INDEX,
    OK,
    HostileServer,
    always,
    brief,
    check_all,
    check_words,
)


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
    '{"partitions": [], "more": ' + "[" * 1_000_000 + "}",
    '{"partitions": ' + "[" * 1_000_000,
]


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
    server.answer = always(OK, json_info=info, index_type=2)
    assert await client.count_rows("docs", "2024") == 5009
    progress = (await client.describe_index(ENDLESS)).progress
    assert progress is not None
    assert (progress.built, progress.total) == (1, 1)


@pytest.mark.parametrize(("mode", "is_cpu"), [("CPU", True), ("GPU", False), (FORGED, False)])
async def test_a_milvus_says_by_its_mode_that_it_uses_no_gpu(
    server: HostileServer, client: EngineClient, mode: str, is_cpu: bool
) -> None:
    """It knows no reports. Official images are for GPUs or for CPUs."""
    server.answer = always(OK, string_reply=mode)
    assert ((await client.report()).why_no_gpu is not None) == is_cpu


@pytest.mark.parametrize("why", ["", FORGED, "x" * 1_000_000], ids=brief)
async def test_why_a_build_failed_is_one_short_line(
    server: HostileServer, client: EngineClient, why: str
) -> None:
    """Whatever the server says, and whether or not it says anything."""
    info = json.dumps({"partitions": [], "index_build": {"waiting": 2, "failure": why}})
    server.answer = always(OK, json_info=info, index_type=2)
    found = await client.describe_index("docs")
    assert found.progress == IndexProgress(built=0, total=2)
    assert found.failure
    check_words(found.failure)


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
    info = '{"partitions": []}'
    server.answer = always(OK, index_type=type_, extra_params=extra, json_info=info)
    assert await client.describe_index("docs") == ObservedIndex(index=found)


@pytest.mark.parametrize(
    "params", ["{", "null", "[]", '"nlist"', '{"nlist": NaN}', "[" * 2**15], ids=brief
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
    build = st.fixed_dictionaries({"waiting": rows, "failure": st.just(FORGED) | odd}) | odd
    return st.fixed_dictionaries({"partitions": partitions}, optional={"index_build": build}).map(
        json.dumps
    )


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
