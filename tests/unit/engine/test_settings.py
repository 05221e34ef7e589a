"""What the configuration nodes say of GPUs."""

from collections.abc import Sequence
from pathlib import Path

from quiver_engine.compute.devices import Cpu, GpuMemory
from quiver_engine.model import MIB
from quiver_engine.server.settings import nodes_of
from quiver_engine.store.store import Store
from quiver_engine.system.memory import Memory


class TwoGpus(Cpu):
    def gpus(self) -> Sequence[GpuMemory]:
        budgets = {0: 300 * MIB, 3: 200 * MIB}
        return [GpuMemory(n, Memory(budget), 0, 400 * MIB) for n, budget in budgets.items()]


def said_of_gpus(path: Path, device: Cpu) -> dict[str, str]:
    store = Store(path, device)
    try:
        nodes = nodes_of(store, "127.0.0.1", 19530)
        return {name: node.read() for name, node in nodes.items() if name.startswith("gpu.")}
    finally:
        store.close()


def test_gpus_are_told_by_their_numbers(tmp_path: Path) -> None:
    """All of them search, the first one trains, and each may hold at least so much."""
    assert said_of_gpus(tmp_path, TwoGpus(Memory())) == {
        "gpu.enable": "true",
        "gpu.cache_size": str(200 * MIB),
        "gpu.gpu_search_threshold": "0",
        "gpu.search_devices": "gpu0,gpu3",
        "gpu.build_index_devices": "gpu0",
    }


def test_an_engine_without_gpus_says_that_alone(tmp_path: Path) -> None:
    """The other nodes of GPUs are none, as in Milvus for CPUs."""
    assert said_of_gpus(tmp_path, Cpu(Memory())) == {"gpu.enable": "false"}
