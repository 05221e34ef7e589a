"""What Milvus 2.x takes for a name, a schema, a metric and an index, with the codes of 2.3.5."""

import re

from quiver.domain.collections import CollectionSchema, Index
from quiver.domain.milvus_versions import MilvusVersion, can, feature_of_index
from support.milvus_codes import BAD_PARAMETER, refused, standing

BINARY = frozenset({"HAMMING", "JACCARD", "SUBSTRUCTURE", "SUPERSTRUCTURE"})
MATCHES = frozenset({"SUBSTRUCTURE", "SUPERSTRUCTURE"})
METRICS = BINARY | {"L2", "IP", "COSINE"}
GPU_METRICS = frozenset({"L2", "IP"})
NLIST = (1, 65536)
RANGES: dict[str, dict[str, tuple[int, int]]] = {
    "IVF_FLAT": {"nlist": NLIST},
    "IVF_SQ8": {"nlist": NLIST},
    "IVF_PQ": {"nlist": NLIST, "m": (1, 32768)},
    "HNSW": {"M": (2, 2048), "efConstruction": (1, 2**31 - 1)},
    "SCANN": {"nlist": NLIST},
    "DISKANN": {},
    "AUTOINDEX": {},
    "GPU_CAGRA": {},
    "GPU_IVF_FLAT": {"nlist": NLIST},
    "GPU_IVF_PQ": {"nlist": NLIST, "m": (1, 32768)},
    "GPU_BRUTE_FORCE": {},
}
TELLS_STRINGS = MilvusVersion(2, 5)
"""From here on a server tells numbers as strings, and adds its defaults."""


def is_name(name: str) -> bool:
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,254}", name) is not None


def as_it_is_told(index: Index | None, version: MilvusVersion | None) -> Index | None:
    """Return the index as a server of the version describes it."""
    if index is None or (version is not None and version < TELLS_STRINGS):
        return index
    params: dict[str, int | str] = {"with_raw_data": "true"}
    params |= {key: str(value) for key, value in index.params.items()}
    return Index(type=index.type, params=params)


def is_met(index: Index | None, found: Index | None) -> bool:
    return found is None if index is None else index.is_met_by(found)


def check_schema(schema: CollectionSchema) -> None:
    if not is_name(schema.name.rpartition("/")[2]):
        raise refused(BAD_PARAMETER, f"Invalid collection name: {schema.name}")
    if not 2 <= schema.dimension <= 32768:
        raise standing("dimension must be from 2 to 32768")
    if schema.metric_type in BINARY and schema.dimension % 8:
        raise standing("bits come in whole bytes")
    if not 1 <= (schema.shards or 1) <= 16:
        raise standing("there are from 1 to 16 shards")


def check_metric(metric: str, *, is_binary: bool) -> None:
    if metric not in METRICS or (metric in BINARY) != is_binary:
        raise standing(f"metric type {metric} is not for these vectors")


def check_index(
    index: Index, metric: str, schema: CollectionSchema, version: MilvusVersion | None
) -> None:
    ranges, feature = RANGES.get(index.type), feature_of_index(index.type)
    if ranges is None or (feature is not None and not can(version, feature)):
        raise standing(f"invalid index type: {index.type}")
    if metric in MATCHES or (metric in BINARY and index.type != "IVF_FLAT"):
        raise standing(f"{index.type} does not index bits under {metric}")
    if index.type.startswith("GPU_") and metric not in GPU_METRICS:
        raise standing(f"{index.type} does not know {metric}")
    params = {key: str(value) for key, value in index.params.items()}
    for name, (low, high) in ranges.items():
        value = params.get(name, "")
        if not (value.isdecimal() and low <= int(value) <= high):
            raise standing(f"{name} must be from {low} to {high}")
    if "m" in params and schema.dimension % int(params["m"]):
        raise standing("m does not divide the dimension")
