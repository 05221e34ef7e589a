"""What Milvus 2.x takes for an index, with the codes of 2.3.5."""

from collections.abc import Mapping

import msgspec

from quiver.domain.milvus_fields import Field, FieldIndex, Form
from quiver.domain.milvus_indexes import INDEXES, METRICS
from quiver.domain.milvus_versions import (
    MilvusVersion,
    can,
    feature_of_index,
    feature_of_metric,
)
from support.milvus_codes import standing

MATCHES = frozenset({"SUBSTRUCTURE", "SUPERSTRUCTURE"})
GPU_METRICS = frozenset({"L2", "IP"})
NLIST = (1, 65536)
RANGES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "IVF_FLAT": {"nlist": NLIST},
    "IVF_SQ8": {"nlist": NLIST},
    "IVF_PQ": {"nlist": NLIST, "m": (1, 32768)},
    "HNSW": {"M": (2, 2048), "efConstruction": (1, 2**31 - 1)},
    "SCANN": {"nlist": NLIST},
    "GPU_IVF_FLAT": {"nlist": NLIST},
    "GPU_IVF_PQ": {"nlist": NLIST, "m": (1, 32768)},
    "BIN_IVF_FLAT": {"nlist": NLIST},
    "NGRAM": {"min_gram": (1, 2**31 - 1), "max_gram": (1, 2**31 - 1)},
}
CASTS = ("BOOL", "DOUBLE", "VARCHAR", "JSON")
"""What a path in JSON may be read as, besides arrays of it."""
LATER: Mapping[tuple[str, str], tuple[int, int, int]] = {
    ("Float16Vector", "GPU_BRUTE_FORCE"): (2, 6, 4),
    **{
        (type_, kind): (2, 6, 4)
        for type_ in ("Float16Vector", "Int8Vector")
        for kind in ("GPU_CAGRA", "GPU_IVF_FLAT", "GPU_IVF_PQ")
    },
    **{
        ("BFloat16Vector", kind): (99, 0, 0)
        for kind in ("GPU_CAGRA", "GPU_IVF_FLAT", "GPU_IVF_PQ", "GPU_BRUTE_FORCE")
    },
    ("Int8Vector", "AUTOINDEX"): (2, 6, 3),
    ("VarChar", "STL_SORT"): (2, 6, 6),
    ("Array", "AUTOINDEX"): (2, 5, 0),
    ("JSON", "AUTOINDEX"): (2, 5, 0),
    ("JSON", "INVERTED"): (2, 5, 0),
}
"""From when on a field of a type takes an index that others take longer, which the operator does
not look at: the server says so. No server builds some of them.
"""
TELLS_STRINGS = MilvusVersion(2, 5)
"""From here on a server tells numbers as strings, and adds its defaults."""


def as_it_is_told(index: FieldIndex, version: MilvusVersion | None) -> FieldIndex:
    """Return the index as a server of the version describes it."""
    if version is not None and version < TELLS_STRINGS:
        return index
    params: dict[str, int | str] = {"with_raw_data": "true"}
    params |= {key: str(value) for key, value in index.params.items()}
    return msgspec.structs.replace(index, params=params)


def check_index(index: FieldIndex, form: Form, version: MilvusVersion | None) -> None:
    """Raises: EngineRefused for an index that the field or the version does not take."""
    field = form.find(index.field)
    if field is None:
        raise standing(f"cannot create index on non-exist field: {index.field}")
    feature = feature_of_index(index.type)
    if feature is not None and not can(version, feature):
        raise standing(f"invalid index type: {index.type}")
    is_late = version is not None and version < LATER.get((field.type, index.type), (0, 0, 0))
    if index.type not in INDEXES[field.type] or is_late:
        raise standing(f"index {index.type} do not support data type: {field.type}")
    _check_metric(index, field, form, version)
    _check_params(index, field)


def _check_metric(
    index: FieldIndex, field: Field, form: Form, version: MilvusVersion | None
) -> None:
    metric, allowed = index.metric_type, METRICS.get(field.type, (None,))
    feature = feature_of_metric(metric or "")
    if metric not in allowed or (feature is not None and not can(version, feature)):
        raise standing(f"metric type {metric} is not for the field {field.name}")
    if (metric == "BM25") != form.is_output(field.name, "BM25"):
        raise standing("only BM25 Function output field support BM25 metric type")
    if metric in MATCHES and index.type != "BIN_FLAT":
        raise standing(f"{index.type} does not index bits under {metric}")
    if (metric == "MHJACCARD") != (index.type == "MINHASH_LSH"):
        raise standing(f"{index.type} does not know {metric}")
    if index.type.startswith("GPU_") and metric not in GPU_METRICS:
        raise standing(f"{index.type} does not know {metric}")


def _check_params(index: FieldIndex, field: Field) -> None:
    params = {key: str(value) for key, value in index.params.items()}
    for name, (low, high) in RANGES.get(index.type, {}).items():
        value = params.get(name, "")
        if not (value.isdecimal() and low <= int(value) <= high):
            raise standing(f"{name} must be from {low} to {high}")
    if "m" in params and field.dimension and field.dimension % int(params["m"]):
        raise standing("m does not divide the dimension")
    if index.type == "NGRAM" and int(params["min_gram"]) > int(params["max_gram"]):
        raise standing("min_gram is above max_gram")
    if field.type == "JSON":
        _check_path(params)


def _check_path(params: Mapping[str, str]) -> None:
    cast = params.get("json_cast_type", "").upper().removeprefix("ARRAY_")
    if cast not in CASTS or not params.get("json_path"):
        raise standing("an index of JSON needs json_path and json_cast_type")
