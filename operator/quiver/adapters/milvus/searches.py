"""The cheapest searches that show that a collection answers searches."""

import struct
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from quiver.adapters.milvus.calls import pairs
from quiver.adapters.milvus.fields import TYPES
from quiver.adapters.milvus.names import Place
from quiver.domain.milvus_fields import Field, Form
from quiver_proto import milvus2_pb2 as pb

PARAMS = {"nprobe": 1, "ef": 16, "search_list": 16}
"""What a search needs, whatever the index is. A server reads what concerns its index."""
AN_EXPRESSION = 1
SEEN = 1
"""A timestamp that is always past: the search waits for no row."""
A_TEXT = b"a"
ONE_TERM = struct.pack("<If", 0, 1.0)
"""A sparse vector, whose first number is 1: some servers take none without numbers."""
_BYTES: Mapping[str, float] = MappingProxyType(
    {
        "FloatVector": 4,
        "Float16Vector": 2,
        "BFloat16Vector": 2,
        "Int8Vector": 1,
        "BinaryVector": 1 / 8,
    }
)
"""Of one number of a vector, or one bit."""


def search_request(
    place: Place, form: Form, field: Field, metric_type: str | None
) -> pb.SearchRequest:
    """Return a search of a field for one vector of zeros, or for a text where a function makes the
    vectors.
    """
    params = {
        "anns_field": field.name,
        "topk": "1",
        "params": msgspec.json.encode(PARAMS).decode(),
        "round_decimal": "-1",
    }
    if metric_type is not None:
        params["metric_type"] = metric_type
    group = pb.PlaceholderGroup(placeholders=[_query(form, field)])
    return pb.SearchRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        dsl_type=AN_EXPRESSION,
        placeholder_group=group.SerializeToString(),
        search_params=pairs(params),
        guarantee_timestamp=SEEN,
        nq=1,
        consistency_level=pb.EVENTUALLY,
    )


def _query(form: Form, field: Field) -> pb.PlaceholderValue:
    if any(field.name in function.output_fields for function in form.functions):
        return pb.PlaceholderValue(tag="$0", type=pb.VARCHAR, values=[A_TEXT])
    return pb.PlaceholderValue(tag="$0", type=TYPES[field.type], values=[_vector(field)])


def _vector(field: Field) -> bytes:
    if field.type == "SparseFloatVector":
        return ONE_TERM
    return bytes(int((field.dimension or 0) * _BYTES[field.type]))
