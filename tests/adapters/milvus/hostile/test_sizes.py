"""A hostile server of Milvus 2.x that answers with more than any honest one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from quiver.adapters.grpc.calls import Deadlines
from quiver.adapters.milvus.driver import MilvusEngines
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.schemas import create_request
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.milvus_fields import MOST_FIELDS, Field, Form
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused, EngineUnreachable
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import (
    described,
    fields_of,
    honest,
    index_of,
    loads_of,
    pairs,
)
from support.hostile_server import HostileServer, check_words

MIB = 2**20
DEADLINES = Deadlines(read=0.5, change=1.0)

NAMES = ["x" * 255] * 65_536
EMPTY = pb.KeyValuePair()
MANY = [f"n{number}" for number in range(20_000)]


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        (lambda c: c.version(), {"version": "x" * MIB}),
        (lambda c: c.list_collections(), {"collection_names": NAMES}),
        (lambda c: c.list_collections(), {"db_names": NAMES}),
        (lambda c: c.describe("docs"), {"partition_names": NAMES}),
        (lambda c: c.describe("docs"), {"aliases": NAMES}),
        (lambda c: c.describe_index("docs"), {"index_descriptions": [index_of()] * 20_000}),
        (lambda c: c.count_rows("docs"), {"stats": pairs(a="x" * MIB)}),
        (lambda c: loads_of(c).describe_load("docs"), {"replicas": [pb.ReplicaInfo()] * 40_000}),
    ],
    ids=["version", "names", "databases", "partitions", "aliases", "indexes", "count", "replicas"],
)
async def test_a_longer_answer_is_refused_unread(
    server: HostileServer,
    client: EngineClient,
    call: Callable[[EngineClient], Awaitable[object]],
    fields: dict[str, object],
) -> None:
    """Each call has its limit; the error says so in one short line, and the next call goes on."""
    server.answer = honest(**fields)
    with pytest.raises(EngineRefused, match="more than Quiver reads") as refused:
        await call(client)
    check_words(str(refused.value))
    assert refused.value.code == "ANSWER_TOO_LARGE"
    server.answer = honest()
    await call(client)


@pytest.mark.parametrize(
    ("call", "fields", "words"),
    [
        (lambda c: c.list_collections(), {"collection_names": MANY}, "lists more than the"),
        (lambda c: c.list_collections(), {"db_names": MANY[:300]}, "lists more than the"),
        (lambda c: c.describe("docs"), {"partition_names": MANY[:5000]}, "lists more than the"),
        (lambda c: c.describe("docs"), {"aliases": MANY[:300]}, "of the collection is not"),
        (
            lambda c: c.describe("docs"),
            {"properties": pairs(**dict.fromkeys(MANY[:300], ""))},
            "of its properties is not",
        ),
        (
            lambda c: c.describe_index("docs"),
            {"index_descriptions": [index_of()] * 300},
            "of its index is not",
        ),
        (
            lambda c: c.describe("docs"),
            {"schema": described(*[pb.FieldSchema(name="x", data_type=pb.BOOL)] * 300)},
            "of the collection is not",
        ),
        (
            lambda c: c.describe("docs"),
            {"schema": described(pb.FieldSchema(data_type=pb.BOOL, type_params=[EMPTY] * 300))},
            "of its fields is not",
        ),
        (
            lambda c: c.describe("docs"),
            {"schema": described(pb.FieldSchema(type_params=[EMPTY] * 2**19))},
            "of the collection is not",
        ),
        (
            lambda c: c.describe_index("docs"),
            {"index_descriptions": [index_of(params=[EMPTY] * 2**19)]},
            "of its index is not",
        ),
    ],
    ids=[
        "names",
        "databases",
        "partitions",
        "aliases",
        "properties",
        "indexes",
        "fields",
        "params",
        "parts",
        "parts of an index",
    ],
)
async def test_things_are_counted(
    server: HostileServer,
    client: EngineClient,
    call: Callable[[EngineClient], Awaitable[object]],
    fields: dict[str, object],
    words: str,
) -> None:
    """An answer that is short in bytes may hold very many of them."""
    server.answer = honest(**fields)
    with pytest.raises(EngineRefused, match=words) as refused:
        await call(client)
    check_words(str(refused.value))


async def test_the_largest_honest_lists_are_read(
    server: HostileServer, client: EngineClient
) -> None:
    """16,384 collections and 4,096 partitions, with names of 255 bytes each."""
    longest = [f"{number:0255}" for number in range(16_384)]
    tags = ["_default", *longest[:4096]]
    server.answer = honest(db_names=[], collection_names=longest, partition_names=tags)
    assert await client.list_collections() == frozenset(longest)
    found = await client.describe("docs")
    assert found is not None
    assert found.partitions == frozenset(longest[:4096])


async def test_the_largest_collection_of_a_spec_is_read(
    server: HostileServer, client: EngineClient
) -> None:
    """64 fields with all the parameters that a spec takes, and an index on each. An object of
    Kubernetes holds less.
    """
    params = {f"p{number:0254}": "x" * 4096 for number in range(16)}
    fields = [
        Field(name=f"f{number:0254}", type="VarChar", max_length=65535, params=params)
        for number in range(MOST_FIELDS)
    ]
    form = Form(fields=tuple(fields))
    place, wanted = Place("default", "docs"), CollectionSchema(name="docs", form=form)
    request = create_request(place, wanted, {})
    of_index = {f"p{number:0254}": "x" * 256 for number in range(32)}
    entries = pairs(index_type="x" * 64, metric_type="x" * 64, **of_index)
    indexes = [
        index_of(index_name=field.name, field_name=field.name, params=entries) for field in fields
    ]
    server.answer = honest(
        schema=pb.CollectionSchema.FromString(request.schema), index_descriptions=indexes
    )
    found = await client.describe("docs")
    assert found is not None
    assert found.schema.form == form
    told = await fields_of(client).describe_indexes("docs")
    assert {index.index.field: index.index.params for index in told.values()} == {
        field.name: of_index for field in fields
    }


async def test_names_with_a_slash_stand_for_no_other_database(
    server: HostileServer, client: EngineClient
) -> None:
    """Milvus has no such names, so they are not listed."""
    server.answer = honest(db_names=["d", "d/e"], collection_names=["docs", "d/other"])
    assert await client.list_collections() == {"docs", "d/docs"}


class Dripping(HostileServer):
    """Lists many databases, and takes its time with each."""

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:
        if path.endswith("ShowCollections"):
            await asyncio.sleep(DEADLINES.read / 2)
        return await super().respond(path, request, context)


async def test_all_databases_together_have_a_deadline() -> None:
    """A server that answers in time each time may not hold up a worker for minutes."""
    engines = MilvusEngines(DEADLINES)
    async with Dripping() as server:
        server.answer = honest(db_names=MANY[:256])
        with pytest.raises(EngineUnreachable, match=r"did not list its databases within 1 s"):
            await engines.at(Target(server.address, "Milvus")).list_collections()
    await engines.close()
