"""What Milvus 2.x takes for a name, a schema, a metric and an index."""

import re

from quiver.domain.collections import CollectionSchema, Index
from support.milvus_codes import BAD_INDEX, BAD_PARAMETER, refused

BINARY = frozenset({"HAMMING", "JACCARD", "SUBSTRUCTURE", "SUPERSTRUCTURE"})
MATCHES = frozenset({"SUBSTRUCTURE", "SUPERSTRUCTURE"})
METRICS = BINARY | {"L2", "IP", "COSINE"}
GPU_METRICS = frozenset({"L2", "IP"})
NLIST = (1, 65536)
RANGES: dict[str, dict[str, tuple[int, int]]] = {
    "IVF_FLAT": {"nlist": NLIST},
    "IVF_SQ8": {"nlist": NLIST},
    "IVF_PQ": {"nlist": NLIST, "m": (1, 32768), "nbits": (1, 16)},
    "HNSW": {"M": (2, 2048), "efConstruction": (1, 2**31 - 1)},
    "SCANN": {"nlist": NLIST},
    "DISKANN": {},
    "AUTOINDEX": {},
    "GPU_CAGRA": {},
    "GPU_IVF_FLAT": {"nlist": NLIST},
    "GPU_IVF_PQ": {"nlist": NLIST},
    "GPU_BRUTE_FORCE": {},
}
"""What index types there are, and the ranges of their parameters. All may be left out: a server has
defaults.
"""


def is_name(name: str) -> bool:
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,254}", name) is not None


def as_it_is_told(index: Index | None) -> Index | None:
    """Return the index as servers describe it: numbers as strings, and defaults of their own."""
    if index is None:
        return None
    params: dict[str, int | str] = {"nlist": "128"} if "nlist" in RANGES[index.type] else {}
    params |= {key: str(value) for key, value in index.params.items()}
    return Index(type=index.type, params=params)


def is_met(index: Index | None, found: Index | None) -> bool:
    return found is None if index is None else index.is_met_by(found)


def check_schema(schema: CollectionSchema) -> None:
    if not is_name(schema.name.rpartition("/")[2]):
        raise refused(BAD_PARAMETER, f"Invalid collection name: {schema.name}")
    if not 2 <= schema.dimension <= 32768:
        raise refused(BAD_PARAMETER, "dimension must be from 2 to 32768")
    if schema.metric_type in BINARY and schema.dimension % 8:
        raise refused(BAD_PARAMETER, "bits come in whole bytes")
    if not 1 <= (schema.shards or 1) <= 16:
        raise refused(BAD_PARAMETER, "there are from 1 to 16 shards")


def check_metric(metric: str, *, is_binary: bool) -> None:
    if metric not in METRICS or (metric in BINARY) != is_binary:
        raise refused(BAD_PARAMETER, f"metric type {metric} is not for these vectors")


def check_index(index: Index, metric: str, schema: CollectionSchema) -> None:
    ranges = RANGES.get(index.type)
    if ranges is None:
        raise refused(BAD_INDEX, f"invalid index type: {index.type}")
    if metric in MATCHES or (metric in BINARY and index.type != "IVF_FLAT"):
        raise refused(BAD_INDEX, f"{index.type} does not index bits under {metric}")
    if index.type.startswith("GPU_") and metric not in GPU_METRICS:
        raise refused(BAD_INDEX, f"{index.type} does not know {metric}")
    params = {key: str(value) for key, value in index.params.items()}
    for name, (low, high) in ranges.items():
        value = params.get(name)
        if value is not None and not (value.isdecimal() and low <= int(value) <= high):
            raise refused(BAD_PARAMETER, f"{name} must be from {low} to {high}")
    if "m" in params and schema.dimension % int(params["m"]):
        raise refused(BAD_PARAMETER, "m does not divide the dimension")
