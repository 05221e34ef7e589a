"""How large a collection gets, and which indexFileSize and index parameters suit it.

The rules are those of Milvus 1.x's documents and, where these say nothing, of what was measured of
Quiver's own engine (docs/index-file-size.md, docs/engine-graphs.md, docs/engine-limits.md).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.engines import EngineType
from quiver.domain.fit import BINARY_METRICS, needed_mib
from quiver.domain.sizing_indexes import gpu_factor, params_for, searched_bytes

MIB = 2**20
DEFAULT_MB = 1024
RARE_MB, FREQUENT_MB, CONSTANT_MB = 2048, 512, 256
_RARE, _FREQUENT = 0.01, 0.1
"""The share of the rows that is new each day."""
_FULLEST = 0.8
"""Of a GPU's memory that a segment may take: the chart's admission policy warns of more."""
_ID_BYTES = 8
_OF_A_POD_MIB = 2048
"""What a pod needs besides what searches hold (`fit.search_memory_mib`)."""
_LARGE_MACHINE_MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a collection is to hold. `inserted` are rows a day; None if nobody knows. `gpu_mib` is
    the memory of one GPU; None on CPUs.
    """

    rows: int
    dimension: int
    metric: str = "L2"
    index: str | None = None
    inserted: int | None = None
    gpu_mib: int | None = None
    engine_type: EngineType = "Quiver"

    @property
    def row_bytes(self) -> int:
        return self.dimension // 8 if self.metric in BINARY_METRICS else 4 * self.dimension

    @property
    def has_size(self) -> bool:
        """Whether each collection has a segment size of its own."""
        return CAPABILITIES[self.engine_type].schema_defaults.index_file_size is not None


@dataclass(frozen=True, kw_only=True)
class Size:
    """What suits the workload. `index_file_size` is in MB (2^20 bytes), None where the engine has
    one for all collections. Bytes are those of all segments together.

    `memory` is what searches hold if all of it stays there, `disk` rows and indexes with room for
    two segments that are being merged or indexed. `gpus` is 0 on CPUs. `reasons` are sentences,
    by what they are the reasons for.
    """

    index_file_size: int | None
    params: Mapping[str, int]
    segments: int
    memory: int
    disk: int
    pod_memory: int
    gpus: int
    reasons: Mapping[str, str] = field(default_factory=dict)


def sized(workload: Workload) -> Size:
    """Raises: ValueError if no segment of the collection fits the GPU."""
    chosen, why_size = _index_file_size(workload)
    segment_rows = max(1, chosen * MIB // workload.row_bytes)
    params, why_params = params_for(
        workload.index, min(segment_rows, workload.rows), workload.dimension
    )
    memory = workload.rows * (
        searched_bytes(workload.index, workload.row_bytes, params) + _ID_BYTES
    )
    gpus, why_gpus = _gpus(workload, memory)
    pod_memory = memory + _OF_A_POD_MIB * MIB
    return Size(
        index_file_size=chosen if workload.has_size else None,
        params=params,
        segments=math.ceil(workload.rows / segment_rows),
        memory=memory,
        disk=_disk(workload, chosen, memory),
        pod_memory=pod_memory,
        gpus=gpus,
        reasons={
            "indexFileSize": why_size,
            "params": why_params,
            "segments": f"a full one of {chosen} MB holds {segment_rows:,} rows",
            "memory": _WHY_MEMORY,
            "disk": "rows, their indexes, and room for two segments that are being merged",
            "pods": _why_pods(pod_memory),
            "gpus": why_gpus,
        },
    )


_WHY_MEMORY = (
    "searches hold the index of each segment, or its rows where it has none; with less, they read "
    "from the disk again"
)


def _index_file_size(workload: Workload) -> tuple[int, str]:
    """Return the segments' size in MB, and why it is that."""
    if not workload.has_size:
        return DEFAULT_MB, (
            "Milvus has one segment size for all collections, dataCoord.segment.maxSize: 1024 MB "
            "unless its owner says otherwise"
        )
    size, why = _by_inserts(workload)
    if size > DEFAULT_MB and workload.rows * workload.row_bytes <= DEFAULT_MB * MIB:
        size, why = DEFAULT_MB, "all rows are one segment, so the default will do"
    if workload.gpu_mib is None:
        return size, why
    while size > 1 and _on_gpu(workload, size) > _FULLEST * workload.gpu_mib:
        size //= 2
        why = f"a larger segment takes more than 80 % of a GPU of {workload.gpu_mib} MiB"
    if _on_gpu(workload, size) > workload.gpu_mib:
        raise ValueError(
            f"a GPU of {workload.gpu_mib} MiB holds no segment: even one of {size} MB needs "
            f"{_on_gpu(workload, size)} MiB, most of it for FAISS itself; take a larger GPU"
        )
    return size, why


def _by_inserts(workload: Workload) -> tuple[int, str]:
    if workload.inserted is None:
        return DEFAULT_MB, "this is the default; tell how much is inserted for a better choice"
    share = workload.inserted / workload.rows
    told = f"{share:.2%} of the rows are new each day"
    if share < _RARE:
        return RARE_MB, f"{told}, which is rarely: fewer, larger segments are searched faster"
    size = FREQUENT_MB if share < _FREQUENT else CONSTANT_MB
    return size, (
        f"{told}: the larger a segment, the more often its rows are written and indexed again "
        "until it is full"
    )


def _on_gpu(workload: Workload, size: int) -> int:
    assert workload.gpu_mib is not None
    return needed_mib(size, workload.dimension, workload.metric, workload.gpu_mib)


def _disk(workload: Workload, size: int, memory: int) -> int:
    rows = workload.rows * (workload.row_bytes + _ID_BYTES)
    indexes = 0 if workload.index is None else memory
    return rows + indexes + 2 * size * MIB


def _gpus(workload: Workload, memory: int) -> tuple[int, str]:
    if workload.gpu_mib is None:
        return 0, ""
    factor = gpu_factor(workload.index)
    wanted = memory if factor is None else math.ceil(factor * workload.rows * workload.row_bytes)
    budget = workload.gpu_mib - (_on_gpu(workload, 1) if workload.has_size else 0)
    return max(1, math.ceil(wanted / MIB / budget)), (
        f"so that {math.ceil(wanted / MIB):,} MiB stay on them; with fewer, segments take turns"
    )


def _why_pods(pod_memory: int) -> str:
    if pod_memory > _LARGE_MACHINE_MIB * MIB:
        return (
            "a collection is on one pod, and few machines are as large: divide the rows among "
            "several collections, or have a distributed Milvus serve them"
        )
    return "a collection is on one pod, which needs 2 GiB besides what searches hold"
