"""How the index of a field is asked for, and what is there before."""

import pytest

from quiver.domain.collection_schemas import IndexProgress
from quiver.domain.milvus_fields import FieldIndex
from quiver.ports.engines import Fields
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import described, fields_of, index_of, pairs
from support.scripted_milvus import At, ScriptedMilvus, refusal, refused

VECTOR = pb.FieldSchema(name="vector", data_type=pb.FLOAT_VECTOR, type_params=pairs(dim="8"))
TITLE = pb.FieldSchema(name="title", data_type=pb.VARCHAR, type_params=pairs(max_length="8"))
MORE = pb.FieldSchema(name="more", data_type=pb.JSON)
IVF_FLAT = FieldIndex(field="vector", type="IVF_FLAT", metric_type="IP", params={"nlist": 16})
HNSW = FieldIndex(
    field="vector", type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 64}
)
INVERTED = FieldIndex(field="title", type="INVERTED")
OF_A = {"json_path": 'more["a  b"]', "json_cast_type": "varchar"}
INVERTED_A = FieldIndex(field="more", type="INVERTED", params=OF_A)


@pytest.fixture(autouse=True)
def has_three_fields(server: ScriptedMilvus) -> None:
    schema = described(VECTOR, TITLE, MORE)
    server.tells["DescribeCollection"] = pb.DescribeCollectionResponse(schema=schema)


def tell(server: ScriptedMilvus, *indexes: pb.IndexDescription) -> None:
    server.tells["DescribeIndex"] = pb.DescribeIndexResponse(index_descriptions=indexes)


def trie(**more: str) -> pb.IndexDescription:
    params = pairs(index_type="Trie", **more)
    return index_of(index_name="by_title", field_name="title", params=params)


def of_json(name: str, type_: str = "INVERTED", **params: str) -> pb.IndexDescription:
    entries = pairs(index_type=type_, **params)
    return index_of(index_name=name, field_name="more", params=entries)


def asked(request: pb.CreateIndexRequest) -> tuple[str, str, dict[str, str]]:
    extra = {pair.key: pair.value for pair in request.extra_params}
    return request.field_name, request.index_name, extra


async def test_indexes_are_told_by_field_in_milvus_words(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """With one call, whatever fields there are."""
    building = trie(mmap="true")
    building.state, building.indexed_rows, building.total_rows = pb.IN_PROGRESS, 3, 9
    tell(server, index_of(), building)
    found = await fields.describe_indexes("docs")
    assert found["vector"].index == HNSW
    assert found["title"].index == FieldIndex(field="title", type="Trie", params={"mmap": "true"})
    assert found["title"].progress == IndexProgress(built=3, total=9)
    assert [method for method, _ in server.asked] == ["DescribeIndex"]


@pytest.mark.parametrize("none", [refusal(700, old=25), pb.Status()])
async def test_a_collection_without_indexes_has_none(
    server: ScriptedMilvus, fields: Fields, none: pb.Status
) -> None:
    """Servers have a code for it, or none."""
    server.tells["DescribeIndex"] = pb.DescribeIndexResponse(status=none)
    assert await fields.describe_indexes("docs") == {}


async def test_the_first_index_of_a_field_is_created(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """Of vectors with its metric, of others without one; the server gives the name."""
    tell(server)
    for index in (IVF_FLAT, INVERTED):
        await fields.set_field_index("docs", index)
    of_vector, of_title = map(asked, server.requests("CreateIndex"))
    extra = {"index_type": "IVF_FLAT", "metric_type": "IP", "params": '{"nlist":16}'}
    assert of_vector == ("vector", "", extra)
    assert of_title == ("title", "", {"index_type": "INVERTED", "params": "{}"})
    assert server.methods == ["CreateIndex", "CreateIndex"]


async def test_the_same_index_changes_nothing(server: ScriptedMilvus, fields: Fields) -> None:
    """But it is built again where its build has failed, or where it has to be: it may have a
    parameter that was taken off the spec.
    """
    await fields.set_field_index("docs", HNSW)
    assert server.methods == []
    replaced = ["ReleaseCollection", "DropIndex", "CreateIndex"]
    await fields.set_field_index("docs", HNSW, anew=True)
    assert server.methods == replaced
    tell(server, index_of(state=pb.FAILED))
    await fields.set_field_index("docs", HNSW)
    assert server.methods == [*replaced, *replaced]


@pytest.mark.parametrize(
    ("version", "steps"),
    [
        ("v2.6.1", ["ReleaseCollection", "DropIndex"]),
        ("v2.6.2", ["DropIndex"]),
        ("master-20260404-abc", ["ReleaseCollection", "DropIndex"]),
    ],
)
async def test_an_index_without_vectors_is_dropped_in_memory_where_a_version_can(
    server: ScriptedMilvus, fields: Fields, version: str, steps: list[str]
) -> None:
    """Others, and those that nobody knows, release the collection before. It goes by its name."""
    server.tells["GetVersion"] = pb.GetVersionResponse(version=version)
    tell(server, index_of(), trie())
    await fields.set_field_index("docs", INVERTED)
    assert server.methods == [*steps, "CreateIndex"]
    server.asked.clear()
    await fields.drop_field_index("docs", "title")
    assert server.methods == steps
    [dropped] = server.requests("DropIndex")
    assert (dropped.field_name, dropped.index_name) == ("title", "by_title")


async def test_an_index_of_vectors_is_always_replaced_out_of_memory(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """No version drops it otherwise, and none is asked."""
    await fields.set_field_index("docs", IVF_FLAT)
    assert server.methods == ["ReleaseCollection", "DropIndex", "CreateIndex"]
    assert server.requests("GetVersion") == []


async def test_a_server_that_drops_nothing_in_memory_is_not_believed_its_version(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """So milvus-lite: the collection is released once the server has refused."""
    tell(server, trie())
    loaded = refusal(1100, "index cannot be dropped on loaded collection")
    server.tells["DropIndex"] = [loaded, pb.Status()]
    await fields.drop_field_index("docs", "title")
    assert server.methods == ["DropIndex", "ReleaseCollection", "DropIndex"]


async def test_a_server_that_is_busy_releases_nothing(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """It says nothing of memory."""
    tell(server, trie())
    server.tells["DropIndex"] = refusal(8, old=49)
    assert (await refused(fields.drop_field_index("docs", "title"))).retriable
    assert server.methods == ["DropIndex"]


async def test_a_drop_that_is_refused_costs_the_collection_its_memory_once(
    server: ScriptedMilvus, at: At
) -> None:
    """It is loaded as it was, and the same is not tried again soon."""
    tell(server, trie())
    server.tells["DropIndex"] = refusal(65535, "no")
    for _ in range(2):
        await refused(fields_of(at()).drop_field_index("docs", "title"))
    tries = ["DropIndex", "ReleaseCollection", "DropIndex", "LoadCollection"]
    assert server.methods == tries


async def test_a_refused_index_of_a_field_leaves_the_one_before(
    server: ScriptedMilvus, at: At
) -> None:
    """Under its own name, the collection loaded as it was; the same is not tried again soon."""
    tell(server, index_of(index_name="mine"))
    server.tells["CreateIndex"] = [refusal(1100, "nlist out of range"), pb.Status()]
    for _ in range(2):
        error = await refused(fields_of(at()).set_field_index("docs", IVF_FLAT))
        assert str(error) == "nlist out of range (ILLEGAL_PARAMETER)"
    tries = ["ReleaseCollection", "DropIndex", "CreateIndex"]
    assert server.methods == [*tries, "CreateIndex", "LoadCollection"]
    _, restored = map(asked, server.requests("CreateIndex"))
    params = '{"M": 16, "efConstruction": 64}'
    entries = {"index_type": "HNSW", "metric_type": "IP", "params": params}
    assert restored == ("vector", "mine", entries)


async def test_what_is_not_there_need_not_be_dropped(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """Whatever other fields have."""
    await fields.drop_field_index("docs", "title")
    assert server.methods == []


async def test_the_index_of_json_has_a_name_of_quivers_own(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """A field of JSON may have one for each path: those of others stay, and are not told."""
    theirs = of_json("a_first", json_path='more["c"]', json_cast_type="double")
    tell(server, theirs)
    await fields.set_field_index("docs", INVERTED_A)
    [created] = server.requests("CreateIndex")
    assert asked(created)[1] == "quiver_more"
    assert server.methods == ["CreateIndex"]
    server.asked.clear()
    tell(server, theirs, of_json("quiver_more", **OF_A))
    assert (await fields.describe_indexes("docs"))["more"].index == INVERTED_A
    await fields.set_field_index("docs", INVERTED_A)
    assert server.methods == []
    await fields.drop_field_index("docs", "more")
    [dropped] = server.requests("DropIndex")
    assert dropped.index_name == "quiver_more"


async def test_an_index_of_the_same_path_is_replaced_whosever_it_is(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """A path has one: as with all other fields, the spec says which."""
    other = of_json("a_first", json_path='more["c"]', json_cast_type="double")
    same = of_json("theirs", "NGRAM", **OF_A)
    tell(server, other, same)
    await fields.set_field_index("docs", INVERTED_A)
    assert server.methods == ["DropIndex", "CreateIndex"]
    [dropped] = server.requests("DropIndex")
    assert dropped.index_name == "theirs"


async def test_of_several_indexes_of_others_none_is_dropped(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """Which of them was meant, only somebody else knows."""
    tell(server, of_json("one", json_path="a"), of_json("two", json_path="b"))
    error = await refused(fields.drop_field_index("docs", "more"))
    assert (error.code, error.retriable) == ("INDEX_DUPLICATE", False)
    assert "(one, two)" in error.reason
    assert server.methods == []
