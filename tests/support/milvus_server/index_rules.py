"""What an index may be, by the field's type and the server's version."""

from collections.abc import Mapping

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import VECTORS
from support.milvus_server.field_rules import INTEGERS, NUMBERS
from support.milvus_server.refusals import unexpected, wrong
from support.milvus_server.versions import FLAT_PARAMS, Version, name_of

Since = Mapping[int, Version]
"""Data types, each with the version from which on it takes the index."""
_OLD = (2, 0, 0)


def _of(types: frozenset[int], since: Version = _OLD, **more: Version) -> Since:
    return {**dict.fromkeys(types, since), **{pb.DataType.Value(k): v for k, v in more.items()}}


_FLOAT = frozenset({pb.FLOAT_VECTOR})
_FLOATS = frozenset({pb.FLOAT_VECTOR, pb.FLOAT16_VECTOR, pb.BFLOAT16_VECTOR})
_BITS = frozenset({pb.BINARY_VECTOR})
_SPARSE = frozenset({pb.SPARSE_FLOAT_VECTOR})
_DISCRETE = INTEGERS | {pb.BOOL, pb.VARCHAR}
_LATER_ON_GPU = {"FLOAT16_VECTOR": (2, 6, 4), "INT8_VECTOR": (2, 6, 4)}
INDEXES: Mapping[str, Since] = {
    **dict.fromkeys(("FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "SCANN", "DISKANN"), _of(_FLOATS)),
    "IVF_RABITQ": _of(_FLOATS, (2, 6, 0)),
    "HNSW": _of(_FLOATS, INT8_VECTOR=(2, 6, 0)),
    **dict.fromkeys(
        ("HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"), _of(_FLOATS, (2, 5, 0), INT8_VECTOR=(2, 6, 0))
    ),
    "AISAQ": _of(_FLOATS, (2, 6, 4)),
    "GPU_IVF_FLAT": _of(_FLOAT, **_LATER_ON_GPU),
    "GPU_IVF_PQ": _of(_FLOAT, **_LATER_ON_GPU),
    "GPU_CAGRA": _of(_FLOAT, (2, 4, 0), **_LATER_ON_GPU),
    "GPU_BRUTE_FORCE": _of(_FLOAT, (2, 4, 0), FLOAT16_VECTOR=(2, 6, 4)),
    "BIN_FLAT": _of(_BITS),
    "BIN_IVF_FLAT": _of(_BITS),
    "MINHASH_LSH": _of(_BITS, (2, 6, 0)),
    "SPARSE_INVERTED_INDEX": _of(_SPARSE, (2, 4, 0)),
    "SPARSE_WAND": _of(_SPARSE, (2, 4, 0)),
    "INVERTED": _of(_DISCRETE | NUMBERS | {pb.ARRAY}, (2, 4, 0), JSON=(2, 5, 0)),
    "BITMAP": _of(_DISCRETE | {pb.ARRAY}, (2, 4, 0)),
    "STL_SORT": _of(NUMBERS, VARCHAR=(2, 6, 6), TIMESTAMPTZ=(2, 6, 6)),
    "Trie": {pb.VARCHAR: _OLD},
    "NGRAM": {pb.VARCHAR: (2, 6, 2), pb.JSON: (2, 6, 2)},
    "RTREE": {pb.GEOMETRY: (2, 6, 4)},
    "AUTOINDEX": {
        **_of(_FLOAT | _BITS),
        **_of(_FLOATS - _FLOAT | _SPARSE, (2, 4, 5)),
        pb.INT8_VECTOR: (2, 6, 3),
        **_of(_DISCRETE | NUMBERS, (2, 4, 0)),
        **_of(frozenset({pb.ARRAY, pb.JSON}), (2, 5, 0)),
        **_of(frozenset({pb.GEOMETRY, pb.TIMESTAMPTZ}), (2, 6, 4)),
    },
}
_DENSE = ("COSINE", "L2", "IP")
METRICS: Mapping[int, tuple[str, ...]] = {
    **dict.fromkeys(_FLOATS | {pb.INT8_VECTOR}, _DENSE),
    pb.SPARSE_FLOAT_VECTOR: ("IP", "BM25"),
    pb.BINARY_VECTOR: ("HAMMING", "JACCARD", "SUBSTRUCTURE", "SUPERSTRUCTURE", "MHJACCARD"),
}
"""The first one is the server's default."""
_ALGORITHMS = ("DAAT_MAXSCORE", "DAAT_WAND", "TAAT_NAIVE")
_NLIST = {"nlist": (1, 65536)}
_NLIST_AND_M = {**_NLIST, "m": (1, 65536)}
_GRAPH = {"M": (2, 2048), "efConstruction": (1, 2**31 - 1)}
RANGES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("IVF_FLAT", "IVF_SQ8", "BIN_IVF_FLAT", "IVF_RABITQ", "GPU_IVF_FLAT"), _NLIST),
    **dict.fromkeys(("IVF_PQ", "GPU_IVF_PQ"), _NLIST_AND_M),
    **dict.fromkeys(("HNSW", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"), _GRAPH),
}
_CASTS = ("BOOL", "DOUBLE", "VARCHAR", "JSON")


def check_index(field: pb.FieldSchema, params: dict[str, str], version: Version) -> None:
    """Fill in what is left to the server. Raises: Refusal."""
    type_ = params.setdefault("index_type", "AUTOINDEX")
    if type_ not in INDEXES:
        raise wrong(f"invalid parameter[expected=valid index][actual=invalid index type: {type_}]")
    since = INDEXES[type_].get(field.data_type)
    if since is None or version < since:
        raise wrong(f"index {type_} do not support data type: {name_of(field.data_type)}")
    if field.data_type in VECTORS:
        _check_vectors(field, params, version)
    elif type_ == "BITMAP" and field.is_primary_key:
        raise wrong("create bitmap index on primary key not supported")
    elif field.data_type == pb.JSON:
        _check_path(params)
    if type_ == "NGRAM":
        _check_grams(params)


def _check_vectors(field: pb.FieldSchema, params: dict[str, str], version: Version) -> None:
    type_, asked = params["index_type"], params.get("metric_type")
    if field.data_type == pb.SPARSE_FLOAT_VECTOR and asked is None and version < (2, 5, 0):
        raise wrong("metric type not set for vector index")
    if type_ == "AUTOINDEX" and set(params) - {"index_type", "metric_type"}:
        raise unexpected("only metric type can be passed when use AutoIndex")
    default = "BM25" if field.is_function_output else None
    metric = params.setdefault("metric_type", default or METRICS[field.data_type][0])
    _check_metric(field, type_, metric)
    _check_ranges(field, params, version)


def _check_metric(field: pb.FieldSchema, type_: str, metric: str) -> None:
    if metric not in METRICS[field.data_type]:
        raise wrong(f"data type {name_of(field.data_type)} does not support metric: {metric}")
    is_bm25 = field.is_function_output and field.data_type == pb.SPARSE_FLOAT_VECTOR
    if (metric == "BM25") != is_bm25:
        raise wrong("only BM25 Function output field support BM25 metric type")
    if metric in ("SUBSTRUCTURE", "SUPERSTRUCTURE") and type_ != "BIN_FLAT":
        raise wrong(f"metric type {metric} not found or not supported by {type_}")
    if (metric == "MHJACCARD") != (type_ == "MINHASH_LSH"):
        raise wrong(f"metric type {metric} not found or not supported by {type_}")
    if type_.startswith("GPU_") and metric == "COSINE":
        raise wrong(f"metric type {metric} not found or not supported by {type_}")


def _check_ranges(field: pb.FieldSchema, params: dict[str, str], version: Version) -> None:
    for key, (low, high) in RANGES.get(params["index_type"], {}).items():
        value = params.get(key)
        if value is None and version >= FLAT_PARAMS and key != "m":
            continue  # the server has a default
        if value is None or not value.isdecimal() or not low <= int(value) <= high:
            raise wrong(f"param '{key}' ({value}) should be in range [{low}, {high}]")
    dim = next((pair.value for pair in field.type_params if pair.key == "dim"), "0")
    if "m" in params and int(dim) % int(params["m"]):
        raise wrong("dimension must be able to be divided by `m`")
    algorithm = params.get("inverted_index_algo", _ALGORITHMS[0])
    if algorithm not in _ALGORITHMS:
        raise wrong(f"sparse inverted index algo {algorithm} not found or not supported")


def _check_path(params: Mapping[str, str]) -> None:
    cast = params.get("json_cast_type", "").upper().removeprefix("ARRAY_")
    if cast not in _CASTS:
        raise wrong("json index must specify cast type")


def _check_grams(params: Mapping[str, str]) -> None:
    low, high = params.get("min_gram", ""), params.get("max_gram", "")
    if not (low.isdecimal() and high.isdecimal() and 0 < int(low) <= int(high)):
        raise wrong("Ngram index must specify both min_gram and max_gram, and 0 < min <= max")
