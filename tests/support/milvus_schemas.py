"""Long forms of collections on Milvus, as users bring them: each a whole `spec.milvus`."""

from typing import Any

from quiver.domain.kubernetes_types import Manifest

ENGLISH = {"enable_analyzer": "true", "analyzer_params": '{"type": "english"}'}
RAG: Manifest = {
    "database": "library",
    "schema": {
        "fields": [
            {
                "name": "chunk",
                "type": "VarChar",
                "maxLength": 64,
                "primaryKey": True,
                "description": "document and place in it",
            },
            {"name": "text", "type": "VarChar", "maxLength": 8192},
            {"name": "source", "type": "VarChar", "maxLength": 512},
            {"name": "page", "type": "Int32"},
            {"name": "published", "type": "Int64", "description": "seconds since 1970"},
            {"name": "score", "type": "Float"},
            {"name": "public", "type": "Bool"},
            {
                "name": "tags",
                "type": "Array",
                "elementType": "VarChar",
                "maxLength": 64,
                "maxCapacity": 32,
            },
            {"name": "metadata", "type": "JSON"},
            {"name": "embedding", "type": "FloatVector", "dimension": 768},
        ],
        "indexes": [
            {
                "field": "embedding",
                "type": "HNSW",
                "metricType": "COSINE",
                "params": {"M": 16, "efConstruction": 200},
            },
            {"field": "source", "type": "Trie"},
            {"field": "published", "type": "STL_SORT"},
        ],
    },
    "load": {"replicas": 1},
}
TENANTS: Manifest = {
    "schema": {
        "fields": [
            {"name": "id", "type": "Int64", "primaryKey": True, "autoID": True},
            {"name": "tenant", "type": "VarChar", "maxLength": 64, "partitionKey": True},
            {"name": "embedding", "type": "FloatVector", "dimension": 384},
        ],
        "dynamicFields": True,
        "indexes": [
            {
                "field": "embedding",
                "type": "IVF_FLAT",
                "metricType": "IP",
                "params": {"nlist": 1024},
            }
        ],
    }
}
IMAGES: Manifest = {
    "schema": {
        "fields": [
            {"name": "url", "type": "VarChar", "maxLength": 2048, "primaryKey": True},
            {"name": "width", "type": "Int16"},
            {"name": "height", "type": "Int16"},
            {"name": "hash", "type": "BinaryVector", "dimension": 256},
        ],
        "indexes": [
            {
                "field": "hash",
                "type": "BIN_IVF_FLAT",
                "metricType": "HAMMING",
                "params": {"nlist": 128},
            }
        ],
    }
}
LOGS: Manifest = {
    "schema": {
        "fields": [
            {"name": "id", "type": "Int64", "primaryKey": True, "autoID": True},
            {"name": "at", "type": "Int64", "description": "milliseconds since 1970"},
            {"name": "level", "type": "Int8"},
            {"name": "line", "type": "VarChar", "maxLength": 65535},
            {"name": "embedding", "type": "FloatVector", "dimension": 128},
        ],
        "dynamicFields": True,
    },
    "consistencyLevel": "Eventually",
    "properties": {"collection.ttl.seconds": "86400"},
}
HYBRID_2_4: Manifest = {
    "schema": {
        "fields": [
            {"name": "id", "type": "Int64", "primaryKey": True},
            {"name": "title", "type": "VarChar", "maxLength": 512},
            {"name": "embedding", "type": "FloatVector", "dimension": 768},
            {"name": "terms", "type": "SparseFloatVector"},
        ],
        "indexes": [
            {"field": "embedding", "type": "HNSW", "params": {"M": 16, "efConstruction": 200}},
            {"field": "terms", "type": "SPARSE_INVERTED_INDEX", "metricType": "IP"},
            {"field": "title", "type": "INVERTED"},
        ],
    }
}
HYBRID: Manifest = {
    "database": "shop",
    "schema": {
        "fields": [
            {"name": "id", "type": "VarChar", "maxLength": 64, "primaryKey": True},
            {"name": "title", "type": "VarChar", "maxLength": 512, "params": ENGLISH},
            {"name": "price", "type": "Double", "nullable": True},
            {"name": "stock", "type": "Int32", "default": 0},
            {"name": "tenant", "type": "VarChar", "maxLength": 64, "partitionKey": True},
            {"name": "embedding", "type": "FloatVector", "dimension": 768},
            {"name": "terms", "type": "SparseFloatVector"},
        ],
        "dynamicFields": True,
        "functions": [
            {
                "name": "bm25",
                "type": "BM25",
                "inputFields": ["title"],
                "outputFields": ["terms"],
                "description": "full text search",
            }
        ],
        "indexes": [
            {
                "field": "embedding",
                "type": "HNSW",
                "metricType": "COSINE",
                "params": {"M": 16, "efConstruction": 200},
            },
            {"field": "terms", "type": "SPARSE_INVERTED_INDEX", "metricType": "BM25"},
            {"field": "price", "type": "STL_SORT"},
        ],
    },
    "load": {"replicas": 1},
    "properties": {"collection.ttl.seconds": "86400"},
}
RAG_2_5: Manifest = {
    "schema": {
        "fields": [
            {"name": "chunk", "type": "VarChar", "maxLength": 64, "primaryKey": True},
            {"name": "text", "type": "VarChar", "maxLength": 8192, "params": ENGLISH},
            {"name": "source", "type": "VarChar", "maxLength": 512, "nullable": True},
            {"name": "page", "type": "Int32", "default": 1},
            {"name": "weight", "type": "Float", "default": "0.5"},
            {"name": "public", "type": "Bool", "default": "true"},
            {"name": "language", "type": "VarChar", "maxLength": 8, "default": "en"},
            {"name": "published", "type": "Int64", "clusteringKey": True},
            {
                "name": "metadata",
                "type": "JSON",
                "nullable": True,
                "params": {"mmap.enabled": "true"},
            },
            {"name": "embedding", "type": "Float16Vector", "dimension": 1024},
        ],
        "indexes": [
            {"field": "embedding", "type": "HNSW_SQ", "params": {"M": 16, "sq_type": "SQ8"}},
            {"field": "source", "type": "INVERTED"},
            {"field": "language", "type": "BITMAP"},
        ],
    }
}
EVERYTHING: Manifest = {
    "schema": {
        "fields": [
            {"name": "key", "type": "Int64", "primaryKey": True},
            {"name": "bool", "type": "Bool"},
            {"name": "int8", "type": "Int8"},
            {"name": "int16", "type": "Int16"},
            {"name": "int32", "type": "Int32"},
            {"name": "int64", "type": "Int64"},
            {"name": "float", "type": "Float"},
            {"name": "double", "type": "Double"},
            {"name": "text", "type": "VarChar", "maxLength": 65535, "params": ENGLISH},
            {"name": "json", "type": "JSON"},
            {"name": "array", "type": "Array", "elementType": "Int32", "maxCapacity": 4096},
            {"name": "place", "type": "Geometry", "nullable": True},
            {"name": "at", "type": "Timestamptz", "nullable": True},
            {"name": "dense", "type": "FloatVector", "dimension": 32768},
            {"name": "half", "type": "Float16Vector", "dimension": 2},
            {"name": "brain", "type": "BFloat16Vector", "dimension": 2},
            {"name": "small", "type": "Int8Vector", "dimension": 2},
            {"name": "bits", "type": "BinaryVector", "dimension": 8},
            {"name": "sparse", "type": "SparseFloatVector"},
            {"name": "embedded", "type": "FloatVector", "dimension": 1536},
        ],
        "functions": [
            {"name": "words", "type": "BM25", "inputFields": ["text"], "outputFields": ["sparse"]},
            {"name": "near", "type": "MinHash", "inputFields": ["text"], "outputFields": ["bits"]},
            {
                "name": "model",
                "type": "TextEmbedding",
                "inputFields": ["text"],
                "outputFields": ["embedded"],
                "params": {"provider": "openai", "model_name": "m", "credential": "key"},
            },
        ],
        "indexes": [
            {"field": "bits", "type": "MINHASH_LSH", "metricType": "MHJACCARD"},
            {"field": "small", "type": "HNSW", "params": {"M": 16, "efConstruction": 200}},
            {"field": "place", "type": "RTREE"},
            {"field": "at", "type": "STL_SORT"},
            {"field": "text", "type": "NGRAM", "params": {"min_gram": 2, "max_gram": 3}},
        ],
    }
}
GOOD_SCHEMAS: dict[str, Manifest] = {
    "documents with metadata to filter by": RAG,
    "documents with metadata that may be absent": RAG_2_5,
    "hybrid search over vectors of the client's": HYBRID_2_4,
    "hybrid search over a text": HYBRID,
    "many tenants": TENANTS,
    "images with hashes": IMAGES,
    "logs that expire": LOGS,
    "every type of field": EVERYTHING,
}
"""The stories of users, by what each needs: those in `ON_2_3` any Milvus from 2.3.2 on has, the
second and the fourth need 2.5, the third 2.4, and the last 3.0.
"""
ON_2_3 = (
    "documents with metadata to filter by",
    "many tenants",
    "images with hashes",
    "logs that expire",
)


def in_default_database(milvus: Manifest) -> dict[str, Any]:
    """Return the same in the database that every server has."""
    return {key: value for key, value in milvus.items() if key != "database"}
