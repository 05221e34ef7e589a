"""How an index is asked for, and what is there before."""

import struct

import pytest

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import Field, Form, Function
from quiver.ports.engines import EngineClient
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import HNSW, SCHEMA, described, index_of, pairs
from support.scripted_milvus import At, ScriptedMilvus, refusal, refused

BY_BM25 = pairs(index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
IVF_FLAT = Index(type="IVF_FLAT", params={"nlist": 16})


async def test_the_index_is_replaced_out_of_memory(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """No server drops the index of a loaded collection. That of a released one needs no release."""
    await client.set_index("docs", IVF_FLAT, "IP")
    assert server.methods == ["ReleaseCollection", "DropIndex", "CreateIndex"]
    server.asked.clear()
    server.tells["GetLoadState"] = pb.GetLoadStateResponse(state=pb.NOT_LOAD)
    await client.set_index("docs", IVF_FLAT, "IP")
    assert server.methods == ["DropIndex", "CreateIndex"]


async def test_an_index_whose_build_has_failed_is_built_again(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """The server does not try it again by itself."""
    failed = index_of(state=pb.FAILED, index_state_fail_reason="no space")
    server.tells["DescribeIndex"] = pb.DescribeIndexResponse(index_descriptions=[failed])
    await client.set_index("docs", HNSW, "IP")
    assert server.methods == ["ReleaseCollection", "DropIndex", "CreateIndex"]


async def test_an_index_is_met_with_the_servers_own_defaults(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """Numbers come back as words, and others beside them."""
    params = pairs(index_type="HNSW", metric_type="IP", M="16", efConstruction="64", mmap="false")
    found = pb.DescribeIndexResponse(index_descriptions=[index_of(params=params)])
    server.tells["DescribeIndex"] = found
    await client.set_index("docs", HNSW, "IP")
    assert server.methods == []
    await client.set_index("docs", HNSW, "L2")
    assert server.methods == ["ReleaseCollection", "DropIndex", "CreateIndex"]


async def test_a_refused_index_costs_the_collection_its_memory_once(
    server: ScriptedMilvus, at: At
) -> None:
    """The one before comes back and is loaded, and the same is not tried again soon; another one
    is.
    """
    server.tells["CreateIndex"] = [refusal(1100, "nlist out of range"), pb.Status()]
    for _ in range(2):
        error = await refused(at().set_index("docs", IVF_FLAT, "IP"))
        assert str(error) == "nlist out of range (ILLEGAL_PARAMETER)"
    tries = ["ReleaseCollection", "DropIndex", "CreateIndex"]
    assert server.methods == [*tries, "CreateIndex", "LoadCollection"]
    asked_for, restored = server.requests("CreateIndex")
    assert _extra(asked_for)["index_type"] == "IVF_FLAT"
    assert _extra(restored) == {
        "index_type": "HNSW",
        "metric_type": "IP",
        "params": '{"M": 16, "efConstruction": 64}',
    }
    server.asked.clear()
    await at().set_index("docs", Index(type="IVF_SQ8", params={"nlist": 16}), "IP")
    assert server.methods == tries


@pytest.mark.parametrize(
    ("index", "metric", "extra"),
    [
        (None, None, {"index_type": "BIN_FLAT", "metric_type": "HAMMING", "params": "{}"}),
        (None, "JACCARD", {"index_type": "BIN_FLAT", "metric_type": "JACCARD", "params": "{}"}),
        (
            IVF_FLAT,
            "JACCARD",
            {"index_type": "BIN_IVF_FLAT", "metric_type": "JACCARD", "params": '{"nlist":16}'},
        ),
    ],
)
async def test_bits_have_indexes_of_their_own_name(
    server: ScriptedMilvus,
    client: EngineClient,
    index: Index | None,
    metric: str | None,
    extra: dict[str, str],
) -> None:
    """Brute force is an index too, and no index is without a metric."""
    bits = pb.FieldSchema(name="vector", data_type=pb.BINARY_VECTOR, type_params=pairs(dim="8"))
    server.tells["DescribeCollection"] = pb.DescribeCollectionResponse(schema=described(bits))
    server.tells["DescribeIndex"] = pb.DescribeIndexResponse(status=refusal(700, old=25))
    await client.set_index("docs", index, metric)
    [request] = server.requests("CreateIndex")
    assert _extra(request) == extra


async def test_a_search_has_the_metric_of_the_index(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """Milvus 2.2 takes none without. A metric that the collection was made for is not looked up."""
    await client.search_once(CollectionSchema(name="docs", dimension=8))
    await client.search_once(SCHEMA)
    assert [method for method, _ in server.asked] == ["DescribeIndex", "Search", "Search"]
    for request in server.requests("Search"):
        params = {pair.key: pair.value for pair in request.search_params}
        assert (params["metric_type"], params["topk"], request.nq) == ("IP", "1", 1)
        [query] = pb.PlaceholderGroup.FromString(request.placeholder_group).placeholders
        assert list(query.values) == [bytes(32)]


async def test_each_field_of_vectors_is_searched(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """For zeros of its type, or for a text where a function makes the vectors; with the metric of
    its index. All indexes are told in one call.
    """
    fields = (
        Field(name="float", type="FloatVector", dimension=8),
        Field(name="half", type="Float16Vector", dimension=8),
        Field(name="brain", type="BFloat16Vector", dimension=8),
        Field(name="bytes", type="Int8Vector", dimension=8),
        Field(name="bits", type="BinaryVector", dimension=64),
        Field(name="sparse", type="SparseFloatVector"),
        Field(name="terms", type="SparseFloatVector"),
        Field(name="body", type="VarChar", max_length=8),
    )
    bm25 = Function(name="bm25", type="BM25", input_fields=("body",), output_fields=("terms",))
    described = [index_of(field_name="float"), index_of(field_name="terms", params=BY_BM25)]
    server.tells["DescribeIndex"] = pb.DescribeIndexResponse(index_descriptions=described)
    form = Form(fields=fields, functions=(bm25,))
    await client.search_once(CollectionSchema(name="docs", form=form))
    assert [method for method, _ in server.asked] == ["DescribeIndex"] + ["Search"] * 7
    assert [_query(request) for request in server.requests("Search")] == [
        ("float", "IP", pb.FLOAT_VECTOR, bytes(32)),
        ("half", None, pb.FLOAT16_VECTOR, bytes(16)),
        ("brain", None, pb.BFLOAT16_VECTOR, bytes(16)),
        ("bytes", None, pb.INT8_VECTOR, bytes(8)),
        ("bits", None, pb.BINARY_VECTOR, bytes(8)),
        ("sparse", None, pb.SPARSE_FLOAT_VECTOR, bytes(4) + struct.pack("<f", 1.0)),
        ("terms", "BM25", pb.VARCHAR, b"a"),
    ]


def _query(request: pb.SearchRequest) -> tuple[str, str | None, int, bytes]:
    params = {pair.key: pair.value for pair in request.search_params}
    [query] = pb.PlaceholderGroup.FromString(request.placeholder_group).placeholders
    [value] = query.values
    return params["anns_field"], params.get("metric_type"), query.type, value


def _extra(request: pb.CreateIndexRequest) -> dict[str, str]:
    return {pair.key: pair.value for pair in request.extra_params}
