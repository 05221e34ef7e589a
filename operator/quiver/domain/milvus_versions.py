"""Versions of Milvus 2.2 to 3.x, and the one table of what needs which."""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

_NUMBERS = re.compile(
    r"(?:milvus[-_]lite-|milvus-)?v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?!\d|\.\d{5})", re.ASCII
)
"""Where a version begins. What follows (`-lite`, `-gpu`, a date and a commit, a fourth part) does
not count.
"""
MOST_CHARACTERS = 256


class MilvusVersion(NamedTuple):
    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        shown = self if self.patch else self[:2]
        return ".".join(map(str, shown))


class Feature(Enum):
    """What not every version can do. The value is its name in messages, before a verb."""

    DATABASES = "a database besides default"
    DELETE_PROPERTIES = "taking properties away"
    MMAP = "the property mmap.enabled"
    CHANGE_REPLICAS = "changing the number of replicas of a loaded collection"
    HYPHENS_IN_PARTITIONS = "partitions with a hyphen in their name"
    COSINE = "the metric COSINE"
    TANIMOTO = "the metric TANIMOTO"
    ANNOY = "the index ANNOY"
    SCANN = "the index SCANN"
    GPU_IVF_FLAT = "the index GPU_IVF_FLAT"
    GPU_IVF_PQ = "the index GPU_IVF_PQ"
    GPU_CAGRA = "the index GPU_CAGRA"
    GPU_BRUTE_FORCE = "the index GPU_BRUTE_FORCE"
    SPARSE_INVERTED_INDEX = "the index SPARSE_INVERTED_INDEX"
    SPARSE_WAND = "the index SPARSE_WAND"
    INVERTED = "the index INVERTED"
    BITMAP = "the index BITMAP"
    HNSW_SQ = "the index HNSW_SQ"
    HNSW_PQ = "the index HNSW_PQ"
    HNSW_PRQ = "the index HNSW_PRQ"
    IVF_RABITQ = "the index IVF_RABITQ"
    MINHASH_LSH = "the index MINHASH_LSH"
    NGRAM = "the index NGRAM"
    RTREE = "the index RTREE"
    DYNAMIC_FIELDS = "dynamicFields"
    PARTITION_KEY = "a partitionKey"
    CLUSTERING_KEY = "a clusteringKey"
    NULLABLE = "a nullable field"
    NULLABLE_VECTOR = "a nullable vector field"
    DEFAULT = "a field with a default"
    SEVERAL_VECTORS = "a second vector field"
    JSON = "a field of type JSON"
    ARRAY = "a field of type Array"
    GEOMETRY = "a field of type Geometry"
    TIMESTAMPTZ = "a field of type Timestamptz"
    FLOAT16VECTOR = "a field of type Float16Vector"
    BFLOAT16VECTOR = "a field of type BFloat16Vector"
    SPARSEFLOATVECTOR = "a field of type SparseFloatVector"
    INT8VECTOR = "a field of type Int8Vector"
    BM25 = "the function BM25"
    TEXTEMBEDDING = "the function TextEmbedding"
    MINHASH = "the function MinHash"
    NULLABLE_INPUT = "the function BM25 over a nullable field"
    ADD_FIELD = "adding a field"
    ADD_VECTOR_FIELD = "adding a vector field"
    ALTER_FIELD = "changing a field"
    DESCRIBE_FIELD = "changing a field's description"
    WARM_FIELD = "changing a field's warmup"
    ADD_FUNCTION = "adding a function"
    ADD_FUNCTION_WITH_FIELD = "adding a function with its output field"
    ENABLE_DYNAMIC_FIELDS = "turning dynamicFields on"
    DROP_LOADED_INDEX = "dropping the index of a loaded field without vectors"


class Versions(NamedTuple):
    """From `since` on, and before `until`; None is no bound."""

    since: MilvusVersion | None = None
    until: MilvusVersion | None = None


VERSIONS: Mapping[Feature, Versions] = MappingProxyType(
    {
        # A server without them takes a request for another database, and acts in `default`.
        Feature.DATABASES: Versions(since=MilvusVersion(2, 2, 9)),
        Feature.DELETE_PROPERTIES: Versions(since=MilvusVersion(2, 5)),
        Feature.MMAP: Versions(since=MilvusVersion(2, 3)),
        Feature.CHANGE_REPLICAS: Versions(since=MilvusVersion(2, 4, 13)),
        Feature.HYPHENS_IN_PARTITIONS: Versions(since=MilvusVersion(2, 4, 18)),
        Feature.COSINE: Versions(since=MilvusVersion(2, 3)),
        Feature.TANIMOTO: Versions(until=MilvusVersion(2, 3)),
        Feature.ANNOY: Versions(until=MilvusVersion(2, 3)),
        Feature.SCANN: Versions(since=MilvusVersion(2, 3)),
        Feature.GPU_IVF_FLAT: Versions(since=MilvusVersion(2, 3)),
        Feature.GPU_IVF_PQ: Versions(since=MilvusVersion(2, 3)),
        Feature.GPU_CAGRA: Versions(since=MilvusVersion(2, 4)),
        Feature.GPU_BRUTE_FORCE: Versions(since=MilvusVersion(2, 4)),
        Feature.SPARSE_INVERTED_INDEX: Versions(since=MilvusVersion(2, 4)),
        Feature.SPARSE_WAND: Versions(since=MilvusVersion(2, 4)),
        Feature.INVERTED: Versions(since=MilvusVersion(2, 4)),
        Feature.BITMAP: Versions(since=MilvusVersion(2, 4)),
        Feature.HNSW_SQ: Versions(since=MilvusVersion(2, 5)),
        Feature.HNSW_PQ: Versions(since=MilvusVersion(2, 5)),
        Feature.HNSW_PRQ: Versions(since=MilvusVersion(2, 5)),
        Feature.IVF_RABITQ: Versions(since=MilvusVersion(2, 6)),
        Feature.MINHASH_LSH: Versions(since=MilvusVersion(2, 6)),
        Feature.NGRAM: Versions(since=MilvusVersion(2, 6, 2)),
        Feature.RTREE: Versions(since=MilvusVersion(2, 6, 4)),
        Feature.DYNAMIC_FIELDS: Versions(since=MilvusVersion(2, 2, 9)),
        Feature.PARTITION_KEY: Versions(since=MilvusVersion(2, 2, 9)),
        Feature.CLUSTERING_KEY: Versions(since=MilvusVersion(2, 4, 8)),
        Feature.NULLABLE: Versions(since=MilvusVersion(2, 5)),
        Feature.NULLABLE_VECTOR: Versions(since=MilvusVersion(2, 6, 18)),
        Feature.DEFAULT: Versions(since=MilvusVersion(2, 5)),
        Feature.SEVERAL_VECTORS: Versions(since=MilvusVersion(2, 4)),
        Feature.JSON: Versions(since=MilvusVersion(2, 2, 9)),
        Feature.ARRAY: Versions(since=MilvusVersion(2, 3, 2)),
        Feature.GEOMETRY: Versions(since=MilvusVersion(2, 6, 4)),
        Feature.TIMESTAMPTZ: Versions(since=MilvusVersion(2, 6, 6)),
        Feature.FLOAT16VECTOR: Versions(since=MilvusVersion(2, 4)),
        Feature.BFLOAT16VECTOR: Versions(since=MilvusVersion(2, 4)),
        Feature.SPARSEFLOATVECTOR: Versions(since=MilvusVersion(2, 4)),
        Feature.INT8VECTOR: Versions(since=MilvusVersion(2, 6)),
        Feature.BM25: Versions(since=MilvusVersion(2, 5)),
        Feature.TEXTEMBEDDING: Versions(since=MilvusVersion(2, 6)),
        Feature.MINHASH: Versions(since=MilvusVersion(3, 0)),
        Feature.NULLABLE_INPUT: Versions(since=MilvusVersion(2, 6, 3)),
        Feature.ADD_FIELD: Versions(since=MilvusVersion(2, 6)),
        Feature.ADD_VECTOR_FIELD: Versions(since=MilvusVersion(2, 6, 18)),
        Feature.ALTER_FIELD: Versions(since=MilvusVersion(2, 5)),
        Feature.DESCRIBE_FIELD: Versions(since=MilvusVersion(2, 6)),
        Feature.WARM_FIELD: Versions(since=MilvusVersion(2, 6)),
        Feature.ADD_FUNCTION: Versions(since=MilvusVersion(2, 6, 20)),
        Feature.ADD_FUNCTION_WITH_FIELD: Versions(since=MilvusVersion(3, 0)),
        Feature.ENABLE_DYNAMIC_FIELDS: Versions(since=MilvusVersion(2, 6, 6)),
        Feature.DROP_LOADED_INDEX: Versions(since=MilvusVersion(2, 6, 2)),
    }
)

_PARTITIONS_BEFORE_2_5 = 4096
_PARTITIONS = 1024
_METRICS = (Feature.COSINE, Feature.TANIMOTO)
_INDEXES = (
    Feature.ANNOY,
    Feature.SCANN,
    Feature.GPU_IVF_FLAT,
    Feature.GPU_IVF_PQ,
    Feature.GPU_CAGRA,
    Feature.GPU_BRUTE_FORCE,
    Feature.SPARSE_INVERTED_INDEX,
    Feature.SPARSE_WAND,
    Feature.INVERTED,
    Feature.BITMAP,
    Feature.HNSW_SQ,
    Feature.HNSW_PQ,
    Feature.HNSW_PRQ,
    Feature.IVF_RABITQ,
    Feature.MINHASH_LSH,
    Feature.NGRAM,
    Feature.RTREE,
)
_FIELD_TYPES = (
    Feature.JSON,
    Feature.ARRAY,
    Feature.GEOMETRY,
    Feature.TIMESTAMPTZ,
    Feature.FLOAT16VECTOR,
    Feature.BFLOAT16VECTOR,
    Feature.SPARSEFLOATVECTOR,
    Feature.INT8VECTOR,
)
_FUNCTIONS = (Feature.BM25, Feature.TEXTEMBEDDING, Feature.MINHASH)


def parse_version(text: str) -> MilvusVersion | None:
    """Return the version that a server tells of itself; None for a text that is none.

    Servers say `v2.3.5-lite`, `milvus_lite-3.2.2`, `2.6-20260404-abc`, `2.5.10.1`.
    """
    found = _NUMBERS.match(text[:MOST_CHARACTERS].strip())
    if found is None:
        return None
    major, minor, patch = found.groups(default="0")
    return MilvusVersion(int(major), int(minor), int(patch))


def can(version: MilvusVersion | None, feature: Feature) -> bool:
    """Tell whether the version can do it. An unknown version may: its server will say."""
    since, until = VERSIONS[feature]
    if version is None:
        return True
    return (since is None or version >= since) and (until is None or version < until)


def needed(feature: Feature) -> str:
    """Return which version could, as in `the metric COSINE needs Milvus 2.3 or later`."""
    since, until = VERSIONS[feature]
    bounds = [f"{since} or later"] if since else []
    bounds += [f"older than {until}"] if until else []
    return f"{feature.value} needs Milvus {' and '.join(bounds)}"


def feature_of_index(type_: str) -> Feature | None:
    """Return what an index of this type needs; None if every version has it."""
    return next((feature for feature in _INDEXES if feature.name == type_), None)


def feature_of_metric(metric_type: str) -> Feature | None:
    """Return what the metric needs; None if every version has it."""
    return next((feature for feature in _METRICS if feature.name == metric_type), None)


def feature_of_field_type(type_: str) -> Feature | None:
    """Return what a field of this type needs; None if every version has it."""
    return next((feature for feature in _FIELD_TYPES if feature.name == type_.upper()), None)


def feature_of_function(type_: str) -> Feature | None:
    """Return what a function of this type needs; None if every version has it."""
    return next((feature for feature in _FUNCTIONS if feature.name == type_.upper()), None)


def most_partitions(version: MilvusVersion | None) -> int:
    """Return how many partitions a collection may have, unless the server is told otherwise."""
    is_old = version is not None and version < MilvusVersion(2, 5)
    return _PARTITIONS_BEFORE_2_5 if is_old else _PARTITIONS
