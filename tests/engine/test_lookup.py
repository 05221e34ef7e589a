"""GetVectorsByID, GetVectorIDs and ShowCollectionInfo."""

import json

import numpy as np
import pytest

from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1


@pytest.fixture(scope="module")
def held(client: Milvus1) -> str:
    """Rows 0-4 in _default, 5-6 in partition p; id 1 is there twice."""
    client.create("held", dimension=2)
    client.create_partition("held", "p")
    client.create_partition("held", "nothing")
    client.insert("held", [[i, 0] for i in range(5)], range(5))
    client.insert("held", [[i, 0] for i in (5, 6)], [5, 6], "p")
    client.flush("held")
    client.insert("held", [[1, 9]], [1])
    client.flush("held")
    return "held"


def test_vectors_come_in_the_order_of_their_ids(client: Milvus1, held: str) -> None:
    """An unknown id gives an empty row, a repeated one its row again, of two rows the later one."""
    found = client.vectors(held, [6, 99, 0, 1, 0])
    assert found == [[6, 0], [], [0, 0], [1, 9], [0, 0]]


def test_vectors_of_a_partition_are_its_own(client: Milvus1, held: str) -> None:
    """With a partition's tag the rows of the others are not there."""
    assert client.vectors(held, [0, 5], "p") == [[], [5, 0]]


@pytest.mark.parametrize(
    ("name", "ids", "tag", "code"),
    [
        ("no-name", [], "", pb.ILLEGAL_ARGUMENT),
        ("no-name", [0] * 1001, "", pb.ILLEGAL_ARGUMENT),
        ("no-name", [0], "", pb.ILLEGAL_COLLECTION_NAME),
        ("missing", [0], "", pb.COLLECTION_NOT_EXISTS),
        ("held", [], "", pb.ILLEGAL_ARGUMENT),
        ("held", [], "none", pb.ILLEGAL_ARGUMENT),
        ("held", [0] * 1001, "", pb.ILLEGAL_ARGUMENT),
        ("held", [0] * 1000, "", pb.SUCCESS),
        ("held", [0], "none", pb.UNEXPECTED_ERROR),
        ("held", [0], "nothing", pb.UNEXPECTED_ERROR),
    ],
)
def test_get_vectors_checks_ids_name_existence_partition_rows_in_that_order(
    client: Milvus1, held: str, name: str, ids: list[int], tag: str, code: int
) -> None:
    """GetVectorsByID answers the code of the first check that fails."""
    asked = pb.VectorsIdentity(collection_name=name, id_array=ids, partition_tag=tag)
    assert client.stub.GetVectorsByID(asked).status.error_code == code


def test_info_tells_partitions_and_segments(client: Milvus1, held: str) -> None:
    """Rows of the collection, its partitions and segments, with index and size of each segment."""
    reply = client.stub.ShowCollectionInfo(pb.CollectionName(collection_name=held))
    told = json.loads(reply.json_info)
    assert told["row_count"] == 8
    shapes = [(p["tag"], p["row_count"], len(p["segments"])) for p in told["partitions"]]
    assert shapes == [("_default", 6, 2), ("p", 2, 1), ("nothing", 0, 0)]
    for partition in told["partitions"]:
        for segment in partition["segments"]:
            assert segment.keys() == {"name", "row_count", "index_name", "data_size"}
            assert segment["index_name"] == "IDMAP"
            assert segment["data_size"] == 64 + segment["row_count"] * (8 + 2 * 4)
    missing = client.stub.ShowCollectionInfo(pb.CollectionName(collection_name="missing"))
    assert missing.status.error_code == pb.COLLECTION_NOT_EXISTS


def test_ids_of_a_segment(client: Milvus1, held: str) -> None:
    """GetVectorIDs gives the ids of one segment; a name that none has is refused with code 1."""
    found = []
    for segment in client.segments(held):
        asked = pb.GetVectorIDsParam(collection_name=held, segment_name=segment["name"])
        reply = client.stub.GetVectorIDs(asked)
        assert len(reply.vector_id_array) == segment["row_count"]
        found += reply.vector_id_array
    np.testing.assert_array_equal(np.sort(found), [0, 1, 1, 2, 3, 4, 5, 6])
    for name, code in {held: pb.UNEXPECTED_ERROR, "missing": pb.COLLECTION_NOT_EXISTS}.items():
        asked = pb.GetVectorIDsParam(collection_name=name, segment_name="none")
        assert client.stub.GetVectorIDs(asked).status.error_code == code
