"""Chooses the device that the engine computes on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import faiss

from quiver_engine.compute import cuda
from quiver_engine.compute.devices import Cpu, Device
from quiver_engine.compute.gpu import Gpu
from quiver_engine.compute.gpus import Gpus
from quiver_engine.errors import StartError
from quiver_engine.model import MIB
from quiver_engine.system.memory import Memory

logger = logging.getLogger(__name__)

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

Kind = Literal["auto", "cpu", "gpu"]
DEVICE_NODES = Path("/dev")
_NO_SUPPORT = "the FAISS that is installed has no support for GPUs"
_CURE = (
    "; take an image that has it, or run `pip uninstall faiss-cpu` and, in a clone of Quiver, "
    "`pip install '.[engine-gpu]'`"
)
"""For who started the engine. Users of the cluster are told what to do by the operator."""


@dataclass(frozen=True)
class Wanted:
    """What the engine's options ask for. Budgets are in bytes, `gpu_memory` for each GPU."""

    device: Kind = "auto"
    memory: int | None = None
    gpu_memory: int | None = None


def choose(wanted: Wanted, nodes: Path = DEVICE_NODES) -> Device:
    """Return the GPUs where they are wanted and usable, else the CPU.

    `nodes` is the folder in which the system lists its GPUs.
    Raises StartError when GPUs are required, or have a budget, and are not usable.
    """
    memory = Memory(wanted.memory)
    why_not = "it was started with --device cpu" if wanted.device == "cpu" else _why_no_gpu()
    if why_not is None:
        return Gpus(Cpu(memory), _taken(wanted.gpu_memory))
    if wanted.device == "gpu" or wanted.gpu_memory is not None:
        option = "--device gpu" if wanted.device == "gpu" else "--gpu-memory"
        raise StartError(f"{option} cannot be: {_with_cure(why_not)}")
    here = sorted(node.name for node in nodes.glob("nvidia[0-9]*"))
    if here and wanted.device == "auto":
        logger.warning(
            "computing on the CPU, though %s is here: %s", ", ".join(here), _with_cure(why_not)
        )
    return Cpu(memory, why_not)


def _with_cure(why_not: str) -> str:
    return f"{why_not}{_CURE}" if why_not == _NO_SUPPORT else why_not


def _why_no_gpu() -> str | None:
    if "GPU" not in _FAISS.get_compile_options().split():
        return _NO_SUPPORT
    try:
        cuda.gpu_count()
    except cuda.CudaError as error:
        return f"CUDA says: {error}"
    return None if _FAISS.get_num_gpus() else "FAISS finds no GPU"


def _taken(gpu_memory: int | None) -> Sequence[Gpu]:
    gpus = []
    for number in range(_FAISS.get_num_gpus()):
        try:
            gpu, usage = Gpu(number, gpu_memory), cuda.memory(number)
        except (cuda.CudaError, RuntimeError) as error:
            raise StartError(
                f"GPU {number} cannot be used: {error}; start with --device cpu to do without"
            ) from error
        budget = gpu.memory.budget or 0
        if budget > usage.total:
            raise StartError(
                f"--gpu-memory is {budget / MIB:.0f} MiB, and GPU {number} has"
                f" {usage.total / MIB:.0f} MiB: give less, or leave it out for most of what is free"
            )
        gpus.append(gpu)
    return gpus
