"""Versions of Milvus, and which methods and data types came with which.

It is written from Milvus' release notes and sources, apart from the operator's own table, so that
each checks the other.
"""

import re
from collections.abc import Mapping

from quiver_proto import milvus2_pb2 as pb

Version = tuple[int, int, int]

METHODS_SINCE: Mapping[str, Version] = {
    "AlterCollectionField": (2, 5, 0),
    "AddCollectionField": (2, 6, 0),
    "AddCollectionFunction": (2, 6, 20),
    "AlterCollectionFunction": (2, 6, 20),
    "AlterCollectionSchema": (3, 0, 0),
}
"""An older server has no such method; it has all others."""
TEXT = 25
"""A data type of 3.0 that Quiver's protocol has not."""
TYPES_SINCE: Mapping[int, Version] = {
    **dict.fromkeys((pb.BOOL, pb.INT8, pb.INT16, pb.INT32, pb.INT64), (2, 0, 0)),
    **dict.fromkeys((pb.FLOAT, pb.DOUBLE, pb.VARCHAR), (2, 0, 0)),
    pb.JSON: (2, 2, 9),
    pb.ARRAY: (2, 3, 2),
    pb.GEOMETRY: (2, 6, 4),
    TEXT: (3, 0, 0),
    pb.TIMESTAMPTZ: (2, 6, 6),
    pb.BINARY_VECTOR: (2, 0, 0),
    pb.FLOAT_VECTOR: (2, 0, 0),
    pb.FLOAT16_VECTOR: (2, 4, 0),
    pb.BFLOAT16_VECTOR: (2, 4, 0),
    pb.SPARSE_FLOAT_VECTOR: (2, 4, 0),
    pb.INT8_VECTOR: (2, 6, 0),
}
FUNCTIONS_SINCE: Mapping[int, Version] = {
    pb.BM25: (2, 5, 0),
    pb.TEXT_EMBEDDING: (2, 6, 0),
    pb.MIN_HASH: (3, 0, 0),
}
FUNCTIONS = NULLABLE = (2, 5, 0)
"""Older servers do not read these fields of the protocol, and make the collection without."""
CLUSTERING_KEYS = (2, 4, 8)
NULLABLE_TEXTS = (2, 6, 3)
NULLABLE_VECTORS = ADDED_VECTORS = (2, 6, 18)
DYNAMIC_FIELDS_LATER = (2, 6, 2)
"""Older servers take it for a property like others."""
SCALAR_INDEXES_DROPPED_WHILE_LOADED = (2, 6, 2)
PROPERTIES_DELETED = (2, 5, 0)
LATER_FIELD_KEYS = (2, 6, 0)
REPLICAS_CHANGE = (2, 4, 13)
FLAT_PARAMS = (2, 5, 0)
"""Older servers tell the parameters of an index as JSON, as they were sent."""
MORE_VECTORS = (3, 0, 0)


def version_of(text: str) -> Version:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    assert found is not None, text
    major, minor, patch = map(int, found.groups())
    return (major, minor, patch)


def name_of(data_type: int) -> str:
    """Return what the server calls the type in its messages."""
    known = pb.DataType.values()
    return (
        pb.DataType.Name(pb.DataType.ValueType(data_type)) if data_type in known else str(data_type)
    )
