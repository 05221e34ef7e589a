"""What Milvus' codes mean, those of 2.2 and those since 2.3."""

import grpc
import pytest

from quiver.domain.collection_schemas import CollectionSchema, ObservedIndex
from quiver.ports.engines import EngineClient, Loads
from quiver.ports.errors import (
    DatabaseNotFound,
    EngineDiskFull,
    EngineRefused,
)
from quiver_proto import milvus2_pb2 as pb
from support.scripted_milvus import ScriptedMilvus, old_refusal, refusal, refused

UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("status", "type_", "name", "retriable"),
    [
        (refusal(1, old=56), EngineRefused, "NOT_READY", True),
        (refusal(1, old=1), EngineRefused, "UNEXPECTED_ERROR", True),
        (refusal(3, old=52), EngineRefused, "MEMORY_LIMIT_EXCEEDED", True),
        (refusal(7, old=54), EngineDiskFull, "DISK_LIMIT_EXCEEDED", True),
        (refusal(8, old=49), EngineRefused, "RATE_LIMIT", True),
        (refusal(9, old=48), EngineRefused, "QUOTA_EXCEEDED", False),
        (refusal(9, old=48, retriable=True), EngineRefused, "QUOTA_EXCEEDED", True),
        (refusal(104), EngineRefused, "COLLECTION_LOADED", False),
        (refusal(800), DatabaseNotFound, "DATABASE_NOT_FOUND", False),
        (refusal(1100, old=5), EngineRefused, "ILLEGAL_PARAMETER", False),
        (refusal(65535), EngineRefused, "UNEXPECTED_ERROR", True),
        (refusal(4242), EngineRefused, "UNKNOWN_CODE", False),
        (refusal(6, old=6), EngineRefused, "ILLEGAL_PARAMETER", False),
        (old_refusal(49), EngineRefused, "RATE_LIMIT", True),
        (old_refusal(54), EngineDiskFull, "DISK_LIMIT_EXCEEDED", True),
        (old_refusal(52), EngineRefused, "MEMORY_LIMIT_EXCEEDED", True),
        (old_refusal(57), EngineRefused, "NOT_READY", True),
        (old_refusal(1), EngineRefused, "UNEXPECTED_ERROR", True),
        (old_refusal(4242), EngineRefused, "UNKNOWN_CODE", False),
    ],
)
async def test_a_refusal_has_the_name_of_its_code(
    server: ScriptedMilvus,
    loads: Loads,
    status: pb.Status,
    type_: type[EngineRefused],
    name: str,
    retriable: bool,
) -> None:
    """In both generations of codes; the server's own word that it may pass counts, too."""
    server.tells["AlterCollection"] = status
    error = await refused(loads.alter_properties("docs", {"a": "b"}, ()))
    assert (type(error), error.code, error.retriable) == (type_, name, retriable)


async def test_what_milvus_2_2_has_no_code_for_is_looked_up(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """It answers with one code for a missing collection, index or partition, and for the rest."""
    server.tells["DescribeCollection"] = pb.DescribeCollectionResponse(status=old_refusal())
    server.tells["HasCollection"] = pb.BoolResponse(value=False)
    assert await client.describe("docs") is None
    server.tells["HasCollection"] = pb.BoolResponse(value=True)
    assert (await refused(client.describe("docs"))).code == "UNEXPECTED_ERROR"

    server.tells["DescribeIndex"] = pb.DescribeIndexResponse(status=old_refusal())
    assert (await refused(client.describe_index("docs"))).code == "UNEXPECTED_ERROR"
    del server.tells["DescribeCollection"]
    assert await client.describe_index("docs") == ObservedIndex(index=None, missing=True)

    server.tells["GetPartitionStatistics"] = pb.StatisticsResponse(status=old_refusal())
    assert (await refused(client.count_rows("docs", "2024"))).code == "UNEXPECTED_ERROR"
    assert await client.count_rows("docs", "2023") == 0


async def test_a_server_without_databases_is_not_asked_for_another_one(
    server: ScriptedMilvus, client: EngineClient, loads: Loads
) -> None:
    """It would ignore the database, and act on a collection of the same name in `default`."""
    server.tells["ListDatabases"] = UNIMPLEMENTED
    server.tells["GetVersion"] = pb.GetVersionResponse(version="v2.2.8")
    assert await loads.list_databases() == {"default"}
    assert await client.list_collections() == {"docs"}
    await client.drop("d/docs")
    for call in (client.create(CollectionSchema(name="d/docs", dimension=8)), loads.load("d/x", 1)):
        with pytest.raises(DatabaseNotFound, match="there is no database 'd'"):
            await call
    assert server.methods == []
    error = await refused(loads.create_database("d"))
    assert (
        error.reason == "a database besides default needs Milvus 2.2.9 or later, and this is v2.2.8"
    )
