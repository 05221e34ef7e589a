"""The cheapest search that shows that a collection answers searches."""

import msgspec

from quiver.adapters.milvus.calls import pairs
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.schemas import VECTOR_FIELD, vector_type
from quiver_proto import milvus2_pb2 as pb

PARAMS = {"nprobe": 1, "ef": 16, "search_list": 16}
"""What a search needs, whatever the index is. A server reads what concerns its index."""
AN_EXPRESSION = 1
SEEN = 1
"""A timestamp that is always past: the search waits for no row."""


def search_request(place: Place, dimension: int, metric_type: str | None) -> pb.SearchRequest:
    """Return a search for one vector of zeros."""
    type_ = vector_type(metric_type)
    zeros = bytes(dimension // 8 if type_ == pb.BINARY_VECTOR else 4 * dimension)
    query = pb.PlaceholderValue(tag="$0", type=type_, values=[zeros])
    params = {
        "anns_field": VECTOR_FIELD,
        "topk": "1",
        "params": msgspec.json.encode(PARAMS).decode(),
        "round_decimal": "-1",
    }
    if metric_type is not None:
        params["metric_type"] = metric_type
    return pb.SearchRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        dsl_type=AN_EXPRESSION,
        placeholder_group=pb.PlaceholderGroup(placeholders=[query]).SerializeToString(),
        search_params=pairs(params),
        guarantee_timestamp=SEEN,
        nq=1,
        consistency_level=pb.EVENTUALLY,
    )
