"""Which indexes and metrics a field of Milvus takes, by its type.

The CRD has the same table in its rules. What a server of a version has of it, `milvus_versions`
says.
"""

from collections.abc import Mapping
from types import MappingProxyType

from quiver.domain.milvus_fields import DENSE_VECTORS, Field, FieldIndex, Form

DENSE = (
    "FLAT",
    "IVF_FLAT",
    "IVF_SQ8",
    "IVF_PQ",
    "IVF_RABITQ",
    "HNSW",
    "HNSW_SQ",
    "HNSW_PQ",
    "HNSW_PRQ",
    "DISKANN",
    "SCANN",
    "AUTOINDEX",
    "GPU_CAGRA",
    "GPU_IVF_FLAT",
    "GPU_IVF_PQ",
    "GPU_BRUTE_FORCE",
)
_INTEGER = ("INVERTED", "BITMAP", "STL_SORT", "AUTOINDEX")
_FLOATING = ("INVERTED", "STL_SORT", "AUTOINDEX")
INDEXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "FloatVector": DENSE,
        "Float16Vector": DENSE,
        "BFloat16Vector": DENSE,
        "Int8Vector": (
            "HNSW",
            "HNSW_SQ",
            "HNSW_PQ",
            "HNSW_PRQ",
            "AUTOINDEX",
            "GPU_CAGRA",
            "GPU_IVF_FLAT",
            "GPU_IVF_PQ",
        ),
        "BinaryVector": ("BIN_FLAT", "BIN_IVF_FLAT", "MINHASH_LSH", "AUTOINDEX"),
        "SparseFloatVector": ("SPARSE_INVERTED_INDEX", "SPARSE_WAND", "AUTOINDEX"),
        "Bool": ("INVERTED", "BITMAP", "AUTOINDEX"),
        "Int8": _INTEGER,
        "Int16": _INTEGER,
        "Int32": _INTEGER,
        "Int64": _INTEGER,
        "Float": _FLOATING,
        "Double": _FLOATING,
        "VarChar": ("INVERTED", "BITMAP", "STL_SORT", "Trie", "NGRAM", "AUTOINDEX"),
        "JSON": ("INVERTED", "NGRAM", "AUTOINDEX"),
        "Array": ("INVERTED", "BITMAP", "AUTOINDEX"),
        "Geometry": ("RTREE", "AUTOINDEX"),
        "Timestamptz": ("STL_SORT", "AUTOINDEX"),
    }
)
_PLAIN = {
    "BinaryVector": "BIN_FLAT",
    "SparseFloatVector": "SPARSE_INVERTED_INDEX",
    "Int8Vector": "AUTOINDEX",
}
_OF_MINHASH: dict[str, int | str] = {"mh_element_bit_width": 32}
"""How many bits the function MinHash makes of each hash: Milvus asks that the index says so too."""
_DENSE_METRICS = ("L2", "IP", "COSINE")
METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(DENSE_VECTORS, _DENSE_METRICS),
        "BinaryVector": ("HAMMING", "JACCARD", "SUBSTRUCTURE", "SUPERSTRUCTURE", "MHJACCARD"),
        "SparseFloatVector": ("IP", "BM25"),
    }
)
"""By the type of a vector field, with what an index measures unless it is told otherwise first.

Servers' own defaults differ by version.
"""


def metric_of(form: Form, index: FieldIndex) -> str | None:
    """Return what the index measures; None for the index of a field that holds no vectors."""
    field = form.find(index.field)
    if index.metric_type is not None or field is None or not field.is_vector:
        return index.metric_type
    return _default_metric(form, field)


def plain_index(form: Form, field: Field) -> FieldIndex:
    """Return the index of a vector field for which the spec names none: by brute force, where
    Milvus has that. It searches no field without an index.
    """
    metric = _default_metric(form, field)
    if form.is_output(field.name, "MinHash"):
        return FieldIndex(
            field=field.name, type="MINHASH_LSH", metric_type=metric, params=_OF_MINHASH
        )
    return FieldIndex(field=field.name, type=_PLAIN.get(field.type, "FLAT"), metric_type=metric)


def _default_metric(form: Form, field: Field) -> str:
    if form.is_output(field.name, "BM25"):
        return "BM25"
    if form.is_output(field.name, "MinHash"):
        return "MHJACCARD"
    return METRICS[field.type][0]
