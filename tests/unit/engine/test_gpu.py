"""Which indexes a GPU may hold, and what is said where there is none."""

import logging
from pathlib import Path

import pytest

from quiver_engine.compute import cuda, gpu_limits, hardware
from quiver_engine.errors import StartError
from quiver_engine.indexes.kinds import KINDS
from quiver_engine.model import IndexType


def test_what_a_gpu_cannot_search_is_left_to_the_cpu() -> None:
    """FAISS's kernels know some product quantizers only, and SQ8 up to 6143 dimensions."""

    def has(type_: IndexType, dimension: int, **values: int) -> bool:
        return gpu_limits.has_index(KINDS[type_], {"nlist": 8, **values}, dimension)

    assert has(IndexType.IVF_PQ, 128, m=32)
    assert not has(IndexType.IVF_PQ, 128, m=64)
    assert not has(IndexType.IVF_PQ, 128, m=32, nbits=6)
    assert not has(IndexType.IVF_PQ, 768, m=16)
    assert has(IndexType.IVF_SQ8, 6143)
    assert not has(IndexType.IVF_SQ8H, 6144)
    assert not has(IndexType.HNSW, 8)


def test_without_a_gpu_one_that_is_demanded_stops_the_start() -> None:
    """--device gpu and --gpu-memory are refused with the reason and what to install."""
    with pytest.raises(
        StartError, match=r"--device gpu cannot be: .*pip install '\.\[engine-gpu\]'"
    ):
        hardware.choose(hardware.Wanted(device="gpu"))
    with pytest.raises(StartError, match=r"--gpu-memory cannot be: .*--device cpu"):
        hardware.choose(hardware.Wanted(device="cpu", gpu_memory=1))


def test_a_gpu_that_faiss_cannot_use_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In a pod with a GPU and the CPU's FAISS the log says why it computes on the CPU."""
    (tmp_path / "nvidia0").touch()
    with caplog.at_level(logging.WARNING):
        assert not hardware.choose(hardware.Wanted(), tmp_path).gpus()
    assert "computing on the CPU, though nvidia0 is here" in caplog.text
    assert "pip install '.[engine-gpu]'" in caplog.text


def test_without_cuda_the_reason_is_told() -> None:
    """What is asked of a runtime that is not there is an error with words, not a crash."""
    with pytest.raises(cuda.CudaError, match="not loaded"):
        cuda.gpu_count()
