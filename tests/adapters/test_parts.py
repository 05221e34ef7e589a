"""How many parts an answer may have before it is parsed."""

import pytest
from hypothesis import given, seed, settings

from quiver.adapters.grpc.parts import parsed_parts
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb
from support.hostile_messages import messages

NAMED = pb.FieldSchema(name="a", type_params=[pb.KeyValuePair(key="k", value="v")] * 3)
ANSWER = pb.DescribeCollectionResponse(
    schema=pb.CollectionSchema(name="docs", fields=[NAMED, NAMED]), shards_num=2**31 - 1
)
PARTS = 2 + 1 + 2 * (1 + 1 + 3 * (1 + 2))
"""The schema and the number; a name; twice a field, its name, and parameters of two texts each."""


def parse(raw: bytes, most: int) -> pb.DescribeCollectionResponse:
    return parsed_parts(raw, pb.DescribeCollectionResponse, most, "the collection", "Milvus 2.x")


def test_parts_count_at_all_depths() -> None:
    """As many as there are is no part too many."""
    raw = ANSWER.SerializeToString()
    assert parse(raw, PARTS) == ANSWER
    with pytest.raises(EngineRefused, match="of the collection is not as Milvus"):
        parse(raw, PARTS - 1)


def test_what_is_sent_in_pieces_counts_together() -> None:
    """A message that comes twice is one, with the parts of both."""
    raw = ANSWER.SerializeToString()
    assert len(parse(raw + raw, 2 * PARTS).schema.fields) == 4
    with pytest.raises(EngineRefused):
        parse(raw + raw, 2 * PARTS - 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x12",
        b"\x12\x05ab",
        b"\x12\x02\x22\x05",
        b"\xff" * 11,
        b"\x0b\x0c",
        b"\x16",
        b"\x11abc",
        b"\x15a",
        b"\x00",
        b"\x12\x03\x0a\x01\xff",
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    """Cut off, with a number that never ends, with groups, and with text that is none."""
    with pytest.raises(EngineRefused, match=r"is not as Milvus 2\.x says it"):
        parse(raw, 99)


@seed(1)
@settings(max_examples=60, deadline=None, database=None)
@given(messages(pb.DescribeCollectionResponse.DESCRIPTOR))
def test_an_honest_message_is_read(message: pb.DescribeCollectionResponse) -> None:
    """Whatever it holds."""
    assert parse(message.SerializeToString(), 10**6) == message
