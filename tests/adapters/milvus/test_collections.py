"""How collections and their properties are asked for."""

from quiver.domain.collection_schemas import CollectionSchema
from quiver.ports.engines import EngineClient, Loads
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import pairs
from support.scripted_milvus import ScriptedMilvus, refusal


async def test_properties_are_set_and_deleted_in_two_calls(
    server: ScriptedMilvus, loads: Loads
) -> None:
    """No server takes both in one."""
    await loads.alter_properties("d/docs", {"a": "1"}, ["c", "b"])
    first, second = server.requests("AlterCollection")
    assert ([p.key for p in first.properties], list(first.delete_keys)) == (["a"], [])
    assert ([p.key for p in second.properties], list(second.delete_keys)) == ([], ["b", "c"])
    assert {(r.db_name, r.collection_name) for r in (first, second)} == {("d", "docs")}


async def test_a_version_that_nobody_knows_is_tried(server: ScriptedMilvus, loads: Loads) -> None:
    """A build of a branch says no number; its server will say whether it can."""
    server.tells["GetVersion"] = pb.GetVersionResponse(version="master-20260404-abc")
    await loads.alter_properties("docs", {}, ["a"])
    assert server.methods == ["AlterCollection"]


async def test_a_collection_is_of_the_short_form(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """`id`, `vector`, and a field for all others; what is absent is the server's to choose."""
    server.tells["DescribeCollection"] = pb.DescribeCollectionResponse(status=refusal(100, old=4))
    await client.create(
        CollectionSchema(name="d/docs", dimension=16, metric_type="HAMMING"), {"a": "b"}
    )
    [request] = server.requests("CreateCollection")
    form = pb.CollectionSchema.FromString(request.schema)
    assert (request.db_name, request.collection_name, form.name) == ("d", "docs", "docs")
    assert (request.shards_num, request.consistency_level) == (0, pb.BOUNDED)
    assert list(request.properties) == pairs(a="b")
    assert form.enable_dynamic_field
    key, vector = form.fields
    assert (key.name, key.is_primary_key, key.auto_id) == ("id", True, True)
    assert (vector.name, vector.data_type) == ("vector", pb.BINARY_VECTOR)
    assert list(vector.type_params) == pairs(dim="16")
