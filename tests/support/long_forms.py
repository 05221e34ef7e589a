"""Long forms of collections on Milvus, as users write them in spec.milvus.schema."""

from typing import Any

from quiver.domain.kubernetes_types import Manifest

ID: Manifest = {"name": "id", "type": "VarChar", "maxLength": 64, "primaryKey": True}
TITLE: Manifest = {
    "name": "title",
    "type": "VarChar",
    "maxLength": 512,
    "nullable": True,
    "params": {"enable_analyzer": "true"},
}
EMBEDDING: Manifest = {"name": "embedding", "type": "FloatVector", "dimension": 8}
TAGS: Manifest = {"name": "tags", "type": "VarChar", "maxLength": 64, "nullable": True}
IMAGE: Manifest = {"name": "image", "type": "FloatVector", "dimension": 4, "nullable": True}
TERMS: Manifest = {"name": "terms", "type": "SparseFloatVector"}
BM25: Manifest = {
    "name": "bm25",
    "type": "BM25",
    "inputFields": ["title"],
    "outputFields": ["terms"],
}
FIELDS = (ID, TITLE, EMBEDDING)
HNSW: Manifest = {
    "field": "embedding",
    "type": "HNSW",
    "metricType": "COSINE",
    "params": {"M": 16, "efConstruction": 64},
}
INVERTED: Manifest = {"field": "title", "type": "INVERTED"}


def long_form(*fields: Manifest, indexes: Any = (), **rest: Any) -> Manifest:
    """Return what differs from the shortest spec: a schema of `fields`, or of FIELDS."""
    schema = {"fields": list(fields or FIELDS), "indexes": list(indexes), **rest}
    return {"dimension": None, "milvus": {"schema": schema}}
