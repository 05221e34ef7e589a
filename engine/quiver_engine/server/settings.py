"""What Milvus' configuration nodes say of this engine.

Every value is what the engine does. A node of Milvus that means nothing here is no node here.
"""

import logging
from typing import Any

import faiss

from quiver_engine.config_nodes import Node, amount, number
from quiver_engine.model import MAX_PARTITIONS
from quiver_engine.server.fair_queue import MAX_WEIGHT
from quiver_engine.store.store import Store
from quiver_engine.store.writing import BUFFER_BYTES
from quiver_engine.system import headroom
from quiver_engine.system.memory import Memory

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss


def nodes_of(store: Store, host: str, port: int) -> dict[str, Node]:
    """Return all nodes but that of the flushes; clients connect to `host` and `port`."""
    started = {
        "network.bind.address": Node(lambda: host, why_fixed=_started_with("--listen")),
        "network.bind.port": Node(lambda: str(port), why_fixed=_started_with("--listen")),
        "storage.path": Node(
            lambda: str(store.directory.path.resolve()), why_fixed=_started_with("--data-dir")
        ),
        "wal.path": Node(
            lambda: str(store.directory.log_path.resolve()), why_fixed=_started_with("--data-dir")
        ),
    }
    return started | _constants() | _of_libraries() | _that_can_be_set(store) | _of_gpus(store)


def _started_with(option: str) -> str:
    return f"start the engine with another {option}"


def _constants() -> dict[str, Node]:
    """Return what never changes, in the words that Milvus' configuration file has for it."""
    values = {
        "cluster.enable": "false",
        "cluster.role": "rw",
        "general.timezone": "UTC+0",  # of the log's lines
        "general.meta_uri": "sqlite://:@:/",
        "network.http.enable": "false",  # Milvus' HTTP API
        "metric.enable": "false",  # the push to a Pushgateway
        "cache.insert_buffer_size": str(BUFFER_BYTES),
        "cache.cache_insert_data": "false",
        "cache.preload_collection": "",
        "wal.enable": "true",
        "wal.recovery_error_ignore": "true",
        "logs.log_to_stdout": "false",  # it goes to stderr
        "logs.log_to_file": "false",
    }
    return {name: Node(value.__str__) for name, value in values.items()}


def _of_libraries() -> dict[str, Node]:
    return {
        "logs.level": Node(lambda: logging.getLevelName(logging.getLogger().level).lower()),
        "engine_config.omp_thread_num": Node(
            lambda: str(_FAISS.omp_get_max_threads()), why_fixed=_started_with("OMP_NUM_THREADS")
        ),
        "engine_config.simd_type": Node(lambda: "auto"),
        "engine_config.search_combine_nq": Node(lambda: str(MAX_WEIGHT)),
    }


def _that_can_be_set(store: Store) -> dict[str, Node]:
    limits = store.limits

    def set_partitions(value: str) -> None:
        limits.partitions = number(value, f"give 0 to {MAX_PARTITIONS}", MAX_PARTITIONS)

    return {
        "cache.cache_size": _CacheSize(store.device.memory).node,
        "engine_config.max_partition_num": Node(lambda: str(limits.partitions), set_partitions),
    }


class _CacheSize:
    """The memory budget. It reads as it was set: a client finds what it wrote."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._text: str | None = None
        self.node = Node(self._read, self._change)

    def _read(self) -> str:
        budget = self._memory.budget
        return self._text or str(headroom.total_bytes() if budget is None else budget)

    def _change(self, value: str) -> None:
        total = headroom.total_bytes()
        allowed = f"give less than the memory that there is, {total} bytes, for instance 4GB"
        self._memory.resize(amount(value, allowed, below=total))
        self._text = value


def _of_gpus(store: Store) -> dict[str, Node]:
    """Return the nodes of the GPUs. As in Milvus for CPUs, all but one are none without a GPU."""
    device, other = store.device, _started_with("--device")
    numbers = [gpu.number for gpu in device.gpus()]
    if not numbers:
        return {"gpu.enable": Node(lambda: "false", why_fixed=other)}
    return {
        "gpu.enable": Node(lambda: "true", why_fixed=other),
        "gpu.cache_size": Node(
            lambda: str(min(gpu.memory.budget or 0 for gpu in device.gpus())),
            why_fixed=_started_with("--gpu-memory"),
        ),
        "gpu.gpu_search_threshold": Node(lambda: "0"),
        "gpu.search_devices": Node(lambda: ",".join(f"gpu{n}" for n in numbers)),
        "gpu.build_index_devices": Node(lambda: f"gpu{numbers[0]}"),
    }
