"""Collections and partitions over the wire: every check, its code, and which comes first."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"name": ""}, pb.ILLEGAL_COLLECTION_NAME),
        ({"name": "1a"}, pb.ILLEGAL_COLLECTION_NAME),
        ({"name": "a-b"}, pb.ILLEGAL_COLLECTION_NAME),
        ({"name": "é"}, pb.ILLEGAL_COLLECTION_NAME),
        ({"name": "line\n"}, pb.ILLEGAL_COLLECTION_NAME),
        ({"name": "a" * 256}, pb.ILLEGAL_COLLECTION_NAME),
        ({"name": "a" * 255}, pb.SUCCESS),
        ({"name": "_1"}, pb.SUCCESS),
        ({"dimension": 0}, pb.ILLEGAL_DIMENSION),
        ({"dimension": -1}, pb.ILLEGAL_DIMENSION),
        ({"dimension": 32769}, pb.ILLEGAL_DIMENSION),
        ({"name": "widest", "dimension": 32768}, pb.SUCCESS),
        ({"dimension": 12, "metric_type": 4}, pb.ILLEGAL_DIMENSION),
        ({"index_file_size": 0}, pb.ILLEGAL_ARGUMENT),
        ({"index_file_size": 131073}, pb.ILLEGAL_ARGUMENT),
        ({"name": "largest", "index_file_size": 131072}, pb.SUCCESS),
        ({"metric_type": 0}, pb.ILLEGAL_METRIC_TYPE),
        ({"metric_type": 8}, pb.ILLEGAL_METRIC_TYPE),
        ({"name": "1", "dimension": 0}, pb.ILLEGAL_COLLECTION_NAME),
        ({"dimension": 0, "index_file_size": 0}, pb.ILLEGAL_DIMENSION),
        ({"index_file_size": 0, "metric_type": 9}, pb.ILLEGAL_ARGUMENT),
        ({"name": "taken", "metric_type": 9}, pb.ILLEGAL_METRIC_TYPE),
        ({"name": "taken"}, pb.ILLEGAL_COLLECTION_NAME),
    ],
)
def test_create_checks_name_dimension_size_metric_existence_in_that_order(
    client: Milvus1, asked: dict, code: int
) -> None:
    """CreateCollection answers the code of the first check that fails, and says OK otherwise."""
    client.create("taken")
    status = client.create(**{"name": "refused"} | asked)
    assert status.error_code == code
    assert (status.reason == "OK") == (code == pb.SUCCESS)
    assert "refused" not in client.collections()


def test_refusals_say_what_is_wrong_and_what_is_allowed(client: Milvus1) -> None:
    """A reason names the value refused and the values allowed."""
    assert "40000" in client.create("x", dimension=40000).reason
    assert "1 to 32768" in client.create("x", dimension=40000).reason
    assert "7 (SUPERSTRUCTURE)" in client.create("x", dimension=8, metric_type=9).reason


def test_a_collection_describes_itself_as_created(client: Milvus1) -> None:
    """DescribeCollection gives back name, dimension, index_file_size and metric_type."""
    client.create("described", dimension=7, index_file_size=3, metric_type=2)
    reply = client.stub.DescribeCollection(pb.CollectionName(collection_name="described"))
    assert reply.status == pb.Status(reason="OK")
    assert (reply.dimension, reply.index_file_size, reply.metric_type) == (7, 3, 2)


def test_a_name_is_free_again_right_after_its_drop(client: Milvus1) -> None:
    """A dropped name can be created at once, with another shape and without the old rows."""
    for dimension in (2, 3, 4):
        assert client.create("again", dimension=dimension).error_code == pb.SUCCESS
        client.insert("again", [[1.0] * dimension])
        client.flush("again")
        assert client.count("again") == 1
        assert client.drop("again").error_code == pb.SUCCESS
        has = client.stub.HasCollection(pb.CollectionName(collection_name="again"))
        assert (has.status.error_code, has.bool_reply) == (pb.SUCCESS, False)


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("DropCollection", pb.CollectionName(collection_name="missing")),
        ("DescribeCollection", pb.CollectionName(collection_name="missing")),
        ("CountCollection", pb.CollectionName(collection_name="missing")),
        ("ShowPartitions", pb.CollectionName(collection_name="missing")),
        ("CreatePartition", pb.PartitionParam(collection_name="missing", tag="t")),
        ("HasPartition", pb.PartitionParam(collection_name="missing", tag="t")),
        ("DropPartition", pb.PartitionParam(collection_name="missing", tag="t")),
        ("Flush", pb.FlushParam(collection_name_array=["missing"])),
        (
            "Insert",
            pb.InsertParam(
                collection_name="missing", row_record_array=[pb.RowRecord(float_data=[1])]
            ),
        ),
        ("Search", pb.SearchParam(collection_name="missing", topk=1)),
    ],
)
def test_calls_on_a_missing_collection_say_so(client: Milvus1, rpc: str, request_: object) -> None:
    """Every call that needs the collection answers COLLECTION_NOT_EXISTS."""
    reply = getattr(client.stub, rpc)(request_)
    status = reply if isinstance(reply, pb.Status) else reply.status
    assert status.error_code == pb.COLLECTION_NOT_EXISTS
    assert "'missing' does not exist" in status.reason


@pytest.mark.parametrize(
    "rpc", ["HasCollection", "DescribeCollection", "DropCollection", "DescribeIndex", "Compact"]
)
def test_calls_on_a_name_that_no_collection_can_have_say_so(client: Milvus1, rpc: str) -> None:
    """A name that is not allowed answers ILLEGAL_COLLECTION_NAME, not that it is missing."""
    reply = getattr(client.stub, rpc)(pb.CollectionName(collection_name="a-b"))
    status = reply if isinstance(reply, pb.Status) else reply.status
    assert status.error_code == pb.ILLEGAL_COLLECTION_NAME
    assert "'a-b'" in status.reason


def test_blanks_around_a_tag_do_not_count(client: Milvus1) -> None:
    """A partition is made without them, and every call finds it with them."""
    client.create("blanks", dimension=1)
    assert client.create_partition("blanks", " a b\t").error_code == pb.SUCCESS
    assert client.create_partition("blanks", "a b").error_code == pb.UNEXPECTED_ERROR
    assert client.partitions("blanks") == ["_default", "a b"]
    tag = "\n a b"
    has = client.stub.HasPartition(pb.PartitionParam(collection_name="blanks", tag=tag))
    assert has.bool_reply
    client.insert("blanks", [[1], [2]], [1, 2], tag)
    client.delete("blanks", [1], tag)
    client.flush("blanks")
    assert client.vectors("blanks", [1, 2], tag) == [[], [2]]
    assert client.search("blanks", [[1]], tags=[tag]).ids == [2]
    assert client.drop_partition("blanks", tag).error_code == pb.SUCCESS
    assert client.partitions("blanks") == ["_default"]


@pytest.mark.parametrize(
    ("name", "tag", "code"),
    [
        ("no-name", "_default", pb.ILLEGAL_COLLECTION_NAME),
        ("missing", "_default", pb.ILLEGAL_COLLECTION_NAME),
        ("missing", " ", pb.UNEXPECTED_ERROR),
        ("missing", "t", pb.COLLECTION_NOT_EXISTS),
    ],
)
def test_drop_partition_checks_name_tag_existence_in_that_order(
    client: Milvus1, name: str, tag: str, code: int
) -> None:
    """DropPartition answers the code of the first check that fails."""
    assert client.drop_partition(name, tag).error_code == code


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("_default", pb.UNEXPECTED_ERROR),
        ("", pb.UNEXPECTED_ERROR),
        (" \t", pb.UNEXPECTED_ERROR),
        ("t" * 256, pb.UNEXPECTED_ERROR),
        ("é" * 128, pb.UNEXPECTED_ERROR),
        ("t" * 255, pb.SUCCESS),
        ("any thing/é", pb.SUCCESS),
        ("twice", pb.UNEXPECTED_ERROR),
    ],
)
def test_create_partition_checks_its_tag(client: Milvus1, tag: str, code: int) -> None:
    """A tag is 1 to 255 bytes, not blank, not there yet, and not `_default`."""
    client.create("tagged")
    client.create_partition("tagged", "twice")
    assert client.create_partition("tagged", tag).error_code == code


def test_partitions_come_and_go(client: Milvus1) -> None:
    """`_default` is first and stays; others are listed until they are dropped, with their rows."""
    client.create("parts")
    client.create_partition("parts", "A")
    client.insert("parts", [[0.0] * 4], tag="A")
    client.insert("parts", [[1.0] * 4])
    client.flush()
    assert (client.partitions("parts"), client.count("parts")) == (["_default", "A"], 2)

    def drop(tag: str) -> int:
        param = pb.PartitionParam(collection_name="parts", tag=tag)
        return client.stub.DropPartition(param).error_code

    assert drop("_default") == pb.ILLEGAL_COLLECTION_NAME
    assert drop("none") == pb.UNEXPECTED_ERROR
    assert drop("A") == pb.SUCCESS
    assert (client.partitions("parts"), client.count("parts")) == (["_default"], 1)
    has = client.stub.HasPartition(pb.PartitionParam(collection_name="parts", tag="A"))
    assert (has.status.error_code, has.bool_reply) == (pb.SUCCESS, False)


def fill(client: Milvus1, partitions: int) -> None:
    """Create the collection `first` with so many partitions."""
    client.create("first")
    with ThreadPoolExecutor(16) as pool:
        made = pool.map(lambda i: client.create_partition("first", f"t{i}"), range(partitions))
        assert {status.error_code for status in made} == {pb.SUCCESS}


def test_collections_and_partitions_share_one_limit(own_engine: EngineProcess, connect) -> None:
    """The 4,097th of collections and partitions together is refused, and one dropped makes room."""
    client = connect(own_engine)
    fill(client, 4095)
    for refused in (client.create("second"), client.create_partition("first", "more")):
        assert refused.error_code == pb.UNEXPECTED_ERROR
        assert "4096" in refused.reason
    client.stub.DropPartition(pb.PartitionParam(collection_name="first", tag="t0"))
    assert client.create("second").error_code == pb.SUCCESS
    assert client.create_partition("first", "more").error_code == pb.UNEXPECTED_ERROR


def test_a_collection_has_4096_partitions_where_the_limit_allows(
    own_engine: EngineProcess, connect
) -> None:
    """The 4,097th is refused, as in Milvus 1.1.1, and there is room for other collections. What is
    there stays when the engine is started with a lower limit, and nothing is added then.
    """
    own_engine.stop()
    client = connect(own_engine.start("--max-collections-and-partitions", "4098"))
    fill(client, 4096)
    refused = client.create_partition("first", "more")
    assert refused.error_code == pb.UNEXPECTED_ERROR
    assert "'first' has 4096 partitions beside _default, and 4096 is the limit" in refused.reason
    assert client.create("second").error_code == pb.SUCCESS
    refused = client.create("third")
    assert refused.error_code == pb.UNEXPECTED_ERROR
    assert "4098 is the limit for both together" in refused.reason
    own_engine.stop()
    client = connect(own_engine.start("--max-collections-and-partitions", "2"))
    assert len(client.partitions("first")) == 4097
    client.drop("second")
    refused = client.create("third")
    assert "holds 4097 collections and partitions, and 2 is the limit" in refused.reason


def test_every_call_of_the_protocol_is_offered(client: Milvus1) -> None:
    """An empty message gets an answer from each of the 27 calls; another call is UNIMPLEMENTED."""
    calls = pb.DESCRIPTOR.services_by_name["MilvusService"].methods
    assert len(calls) == 27
    for call in calls:
        client.raw(call.name, b"")
    with pytest.raises(grpc.RpcError) as caught:
        client.raw("CreateHybridCollection", b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("rpc", ["Insert", "Search", "CreateCollection", "Flush"])
@pytest.mark.parametrize("request_", [b"\xff" * 50, b"\x0a\x02\xff\xfe", b"\x12\x7f\x0a"])
def test_garbage_is_refused_with_a_reason(client: Milvus1, rpc: str, request_: bytes) -> None:
    """Bytes that are no request, broken UTF-8 among them, answer ILLEGAL_ARGUMENT."""
    answer = client.raw(rpc, request_)
    wrapped = {"Insert": pb.VectorIds, "Search": pb.TopKQueryResult}.get(rpc)
    status = wrapped.FromString(answer).status if wrapped else pb.Status.FromString(answer)
    if rpc == "CreateCollection" and request_[0] == 0x12:
        assert status.error_code in (pb.ILLEGAL_ARGUMENT, pb.ILLEGAL_COLLECTION_NAME)
    else:
        assert status.error_code == pb.ILLEGAL_ARGUMENT
        assert "not a valid milvus.grpc." in status.reason
    assert client.stub.Cmd(pb.Command(cmd="status")).string_reply == "OK"
