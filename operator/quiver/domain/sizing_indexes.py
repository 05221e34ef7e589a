"""Which parameters suit an index, and what it takes of memory."""

import math
from collections.abc import Mapping
from types import MappingProxyType

_LINK_BYTES = 4
_TRAINED = 39
"""Rows that each list of an IVF index has at least: FAISS learns it from as many."""
_MOST_LISTS = 65536
_RNSG = MappingProxyType(
    {"search_length": 45, "out_degree": 50, "candidate_pool_size": 300, "knng": 100}
)
_GPU_FACTORS = MappingProxyType({"GPU_CAGRA": 1.8, "GPU_IVF_FLAT": 1.0, "GPU_BRUTE_FORCE": 1.0})
"""Of the raw vectors, by Milvus' documents."""
ON_GPUS = frozenset({"IVF_SQ8H", *_GPU_FACTORS})
"""Indexes that only a GPU searches."""
KNOWN = (
    "IVF_FLAT",
    "IVF_SQ8",
    "IVF_SQ8H",
    "IVF_PQ",
    "HNSW",
    "RNSG",
    "ANNOY",
    *_GPU_FACTORS,
)
"""Indexes whose size can be told beforehand."""


def params_for(index: str | None, rows: int, dimension: int) -> tuple[dict[str, int], str]:
    """Return the parameters of an index over a segment of so many rows, and why it has them."""
    why_nlist = f"nlist is about four times the square root of the {rows:,} rows of a segment"
    match index:
        case "IVF_FLAT" | "IVF_SQ8" | "IVF_SQ8H" | "GPU_IVF_FLAT":
            return {"nlist": _nlist(rows)}, why_nlist
        case "IVF_PQ":
            why = f"{why_nlist}; each of the m codes stands for about four numbers"
            return {"nlist": _nlist(rows), "m": _codes(dimension)}, why
        case "HNSW":
            return {"M": 16, "efConstruction": 200}, (
                "M 16 found 95 % of the nearest among scattered rows, where M 32 found 98 %: take "
                "more links if recall counts more than memory"
            )
        case "ANNOY":
            return {"n_trees": 16}, "16 trees found 98 % of the nearest among scattered rows"
        case "RNSG":
            return dict(_RNSG), "what the recall of this index was measured with"
    return {}, ""


def searched_bytes(index: str | None, row_bytes: int, params: Mapping[str, int]) -> int:
    """Return the bytes that a search holds of each row, but for its id."""
    match index:
        case "IVF_SQ8" | "IVF_SQ8H":
            return row_bytes // 4
        case "IVF_PQ":
            return params["m"]
        case "HNSW":
            return row_bytes + _links(params["M"])
        case "RNSG":
            return row_bytes + _links(max(16, params["out_degree"] // 2))
        case "ANNOY":
            return row_bytes + _links(min(64, max(16, params["n_trees"])))
    return row_bytes


def gpu_factor(index: str | None) -> float | None:
    """Return how much GPU memory Milvus needs, as a multiple of the raw vectors; None for indexes
    that are on the GPU as they are in memory.
    """
    return None if index is None else _GPU_FACTORS.get(index)


def _nlist(rows: int) -> int:
    """Return the power of two next to 4 x sqrt(rows) that leaves rows enough for each list."""
    wanted = 1 << round(math.log2(4 * math.sqrt(rows)))
    while wanted > 1 and wanted * _TRAINED > rows:
        wanted //= 2
    return min(_MOST_LISTS, wanted)


def _codes(dimension: int) -> int:
    """Return the divisor of the dimension next to a quarter of it."""
    divisors = (m for m in range(1, dimension + 1) if dimension % m == 0)
    return min(divisors, key=lambda m: (abs(m - dimension / 4), m))


def _links(neighbours: int) -> int:
    """Return the bytes of a row's links in a graph: twice `neighbours` on the ground floor, and
    about two more for the floors above.
    """
    return _LINK_BYTES * (2 * neighbours + 2)
