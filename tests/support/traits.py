"""The traits of the servers that the conformance suite tries."""

from dataclasses import replace

from quiver.domain.collection_schemas import ObservedIndex
from quiver.domain.indexes import Index
from support.conformance import Traits

UNEXPECTED, ILLEGAL = "UNEXPECTED_ERROR", "ILLEGAL_PARAMETER"

MILVUS_1 = Traits(
    version="1.1.",
    schema={"dimension": 8, "index_file_size": 64, "metric_type": "IP"},
    told={},
    missing="COLLECTION_NOT_EXISTS",
    exists="ILLEGAL_COLLECTION_NAME",
    impossible=(
        ({"name": "1st"}, "ILLEGAL_COLLECTION_NAME"),
        ({"name": "a" * 256}, "ILLEGAL_COLLECTION_NAME"),
        ({"dimension": 0}, "ILLEGAL_DIMENSION"),
        ({"dimension": 32769}, "ILLEGAL_DIMENSION"),
        ({"dimension": 12, "metric_type": "JACCARD"}, "ILLEGAL_DIMENSION"),
        ({"index_file_size": 0}, "ILLEGAL_ARGUMENT"),
        ({"index_file_size": 131073}, "ILLEGAL_ARGUMENT"),
    ),
    bad_tags={
        "a": "UNEXPECTED_ERROR",
        "_default": "UNEXPECTED_ERROR",
        " ": "UNEXPECTED_ERROR",
        "x" * 256: "UNEXPECTED_ERROR",
    },
    bad_indexes=(
        (Index(type="IVF_FLAT", params={}), "ILLEGAL_ARGUMENT"),
        # It needs a GPU.
        (Index(type="IVF_SQ8H", params={"nlist": 16}), "ILLEGAL_INDEX_TYPE"),
        (Index(type="IVF_FLAT", params={"nlist": 65537}), "ILLEGAL_ARGUMENT"),
        (Index(type="HNSW", params={"M": 3, "efConstruction": 64}), "ILLEGAL_ARGUMENT"),
        (Index(type="IVF_PQ", params={"nlist": 16, "m": 3}), "ILLEGAL_DIMENSION"),
    ),
    no_index=ObservedIndex(index=None),
    binary_metrics=("HAMMING", "JACCARD", "TANIMOTO"),
    matching=("SUBSTRUCTURE", "SUPERSTRUCTURE"),
    index_of_matching="ILLEGAL_INDEX_TYPE",
    bits_refuse_hnsw="ILLEGAL_INDEX_TYPE",
    has_instance=True,
    says_why_no_gpu=True,
)
"""Quiver's engine, and its fake."""

MILVUS_2_3 = Traits(
    version="v2.3.5",
    schema={
        "dimension": 8,
        "metric_type": "IP",
        "shards": 2,
        "consistency_level": "Session",
    },
    told={"metric_type": None},
    missing="COLLECTION_NOT_FOUND",
    exists="ALREADY_EXISTS",
    impossible=(
        ({"name": "1st"}, "ILLEGAL_PARAMETER"),
        ({"name": "a" * 256}, "ILLEGAL_PARAMETER"),
        ({"dimension": 0}, "UNEXPECTED_ERROR"),
        ({"dimension": 32769}, "UNEXPECTED_ERROR"),
        ({"dimension": 12, "metric_type": "JACCARD"}, "UNEXPECTED_ERROR"),
        ({"shards": 17}, "UNEXPECTED_ERROR"),
    ),
    bad_tags={
        "a": "ALREADY_EXISTS",
        "_default": "ALREADY_EXISTS",
        " ": "UNEXPECTED_ERROR",
        "x" * 256: "UNEXPECTED_ERROR",
    },
    bad_indexes=(
        (Index(type="IVF_FLAT", params={}), "UNEXPECTED_ERROR"),
        (Index(type="IVF_FLAT", params={"nlist": 65537}), "UNEXPECTED_ERROR"),
        (Index(type="IVF_PQ", params={"nlist": 16, "m": 3}), "UNEXPECTED_ERROR"),
        (Index(type="GPU_CAGRA"), "UNEXPECTED_ERROR"),
    ),
    no_index=ObservedIndex(index=None, missing=True),
    binary_metrics=("HAMMING", "JACCARD"),
    matching=("SUBSTRUCTURE", "SUPERSTRUCTURE"),
    index_of_matching="UNEXPECTED_ERROR",
    begins_unloaded=True,
    deletes_properties=False,
    refuses_more_replicas="UNEXPECTED_ERROR",
    # It takes fields of types that it does not know, but can do nothing with them.
    lacks={
        **dict.fromkeys(("second vector", "nullable vector", "MinHash"), UNEXPECTED),
        "default instant": ILLEGAL,
    },
    forgets=frozenset({"clustering key", "nullable", "BM25", "TextEmbedding"}),
)

MILVUS_LITE = Traits(
    version="milvus_lite-3.2.2",
    schema={
        "dimension": 8,
        "metric_type": "IP",
        "shards": 2,
        "consistency_level": "Session",
    },
    # It has one shard and one level, whatever it is asked for.
    told={"metric_type": None, "shards": 1, "consistency_level": "Strong"},
    missing="COLLECTION_NOT_FOUND",
    exists="ALREADY_EXISTS",
    impossible=(
        ({"dimension": 0}, "ILLEGAL_PARAMETER"),
        ({"dimension": 16, "metric_type": "JACCARD"}, "ILLEGAL_PARAMETER"),
        ({"name": "a" * 256}, "NOT_READY"),
    ),
    # It lists a tag that is too long after it has refused it.
    bad_tags={"a": "ALREADY_EXISTS", "_default": "ALREADY_EXISTS"},
    bad_indexes=(),
    no_index=ObservedIndex(index=None, missing=True),
    tells_aliases=False,
    tells_replicas=False,
    lacks={
        **dict.fromkeys(
            ("Float16Vector", "BFloat16Vector", "Int8Vector", "BinaryVector", "MinHash"), ILLEGAL
        ),
        "TextEmbedding": "NOT_READY",  # it wants the key of the service at once
    },
    forgets=frozenset({"clustering key"}),
    grows=False,
    scalar_index="INVERTED",
)
"""It takes any index, and has no vectors of bits. It forgets how long texts in an array may be."""

_MILVUS_2_4_ON = replace(
    MILVUS_2_3,
    impossible=tuple((change, ILLEGAL) for change, _ in MILVUS_2_3.impossible),
    bad_tags={
        tag: ILLEGAL if code == UNEXPECTED else code for tag, code in MILVUS_2_3.bad_tags.items()
    },
    bad_indexes=(
        (Index(type="IVF_FLAT", params={"nlist": 65537}), ILLEGAL),
        (Index(type="IVF_PQ", params={"nlist": 16, "m": 3}), ILLEGAL),
        (Index(type="ANNOY", params={"n_trees": 8}), ILLEGAL),
    ),
    index_of_matching=ILLEGAL,
    refuses_more_replicas="NOT_ENOUGH_NODES",
)
_NOT_BEFORE_2_6 = dict.fromkeys(
    ("Geometry", "Timestamptz", "default instant", "Int8Vector"), ILLEGAL
)
MILVUS_2_4 = replace(
    _MILVUS_2_4_ON,
    version="v2.4.17",
    lacks=_NOT_BEFORE_2_6,
    forgets=frozenset({"nullable", "nullable vector", "BM25", "TextEmbedding", "MinHash"}),
)
_MILVUS_2_5_ON = replace(_MILVUS_2_4_ON, deletes_properties=True, tells_strings=True)
MILVUS_2_5 = replace(
    _MILVUS_2_5_ON,
    version="v2.5.13",
    lacks={
        **_NOT_BEFORE_2_6,
        **dict.fromkeys(("nullable vector", "TextEmbedding", "MinHash"), ILLEGAL),
    },
    forgets=frozenset(),
)
MILVUS_2_6 = replace(
    _MILVUS_2_5_ON, version="v2.6.20", lacks={"MinHash": ILLEGAL}, forgets=frozenset()
)
MILVUS_3_0 = replace(_MILVUS_2_5_ON, version="v3.0.0", lacks={}, forgets=frozenset())
"""Of these no server can be had: see `support.milvus_server`."""
