"""The collections of a run."""

from bench.cluster import DIMENSION, ENGINE, NAMESPACE, manifest_of
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Manifest

INDEX = Index(type="HNSW", params={"M": 16, "efConstruction": 100})
METRIC = "L2"


def schema_of(name: str) -> CollectionSchema:
    return CollectionSchema(name=name.replace("-", "_"), dimension=DIMENSION, metric_type=METRIC)


def collection(name: str, *, loaded: bool) -> Manifest:
    spec = {
        "engineRef": {"name": ENGINE},
        "dimension": DIMENSION,
        "metricType": METRIC,
        "index": {"type": INDEX.type, "params": dict(INDEX.params)},
        "milvus": {"load": {"enabled": loaded}},
    }
    return manifest_of(VECTOR_COLLECTION, NAMESPACE, name, spec)


def engine(address: str) -> Manifest:
    spec = {"type": "Milvus", "external": {"endpoints": [address]}}
    return manifest_of(VECTOR_ENGINE, NAMESPACE, ENGINE, spec)
