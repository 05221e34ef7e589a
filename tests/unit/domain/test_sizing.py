"""How large collections get, and what suits them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiver.domain.fit import needed_mib
from quiver.domain.sizing import MIB, Workload, sized
from quiver.domain.sizing_indexes import KNOWN

MEASURED_ROWS, MEASURED_DIMENSION = 131_072, 128


@pytest.mark.parametrize(
    ("inserted", "size"),
    [(None, 1024), (0, 2048), (50_000, 2048), (500_000, 512), (5_000_000, 256)],
)
def test_the_more_is_inserted_the_smaller_the_segments(inserted: int | None, size: int) -> None:
    """1024 or 2048 where inserts are rare, 256 or 512 where they are not."""
    workload = Workload(rows=10_000_000, dimension=768, inserted=inserted)
    assert sized(workload).index_file_size == size


def test_what_is_one_segment_anyway_takes_the_default() -> None:
    assert sized(Workload(rows=1000, dimension=8, inserted=0)).index_file_size == 1024


@settings(deadline=None)
@given(
    gpu_mib=st.integers(1024, 200_000),
    dimension=st.integers(1, 32768),
    inserted=st.one_of(st.none(), st.integers(0, 10**9)),
)
def test_a_segment_is_never_more_than_the_gpu_holds(
    gpu_mib: int, dimension: int, inserted: int | None
) -> None:
    workload = Workload(rows=10**9, dimension=dimension, inserted=inserted, gpu_mib=gpu_mib)
    size = sized(workload).index_file_size
    assert size is not None
    assert needed_mib(size, dimension, "L2", gpu_mib) <= 0.8 * gpu_mib


def test_a_gpu_that_holds_no_segment_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"a GPU of 500 MiB holds no segment.*take a larger GPU"):
        sized(Workload(rows=1000, dimension=8, gpu_mib=500))


def test_milvus_has_one_segment_size_for_all() -> None:
    found = sized(Workload(rows=10_000_000, dimension=768, engine_type="Milvus", inserted=0))
    assert found.index_file_size is None
    assert "dataCoord.segment.maxSize" in found.reasons["indexFileSize"]


def test_the_memory_of_an_index_is_what_was_measured() -> None:
    """docs/index-file-size.md: 17.5 MB, where the lists' centroids are 0.5."""
    found = sized(Workload(rows=MEASURED_ROWS, dimension=MEASURED_DIMENSION, index="IVF_SQ8"))
    assert found.memory / MIB == pytest.approx(17.0, rel=0.01)
    assert found.params == {"nlist": 1024}


@pytest.mark.parametrize(
    ("rows", "nlist"), [(1, 1), (100, 2), (131_072, 1024), (10**6, 4096), (10**10, 8192)]
)
def test_lists_are_four_times_the_root_of_the_rows_and_have_rows_enough(
    rows: int, nlist: int
) -> None:
    """Of a full segment: 1024 MB of 64 numbers are 4,194,304 rows."""
    found = sized(Workload(rows=rows, dimension=64, index="IVF_FLAT"))
    assert found.params == {"nlist": nlist}


@pytest.mark.parametrize("dimension", [1, 7, 96, 768, 1009, 32768])
def test_codes_divide_the_dimension(dimension: int) -> None:
    m = sized(Workload(rows=10**6, dimension=dimension, index="IVF_PQ")).params["m"]
    assert dimension % m == 0


@pytest.mark.parametrize("index", [None, *KNOWN])
def test_more_rows_take_more_of_everything(index: str | None) -> None:
    few, many = (
        sized(Workload(rows=rows, dimension=128, index=index, gpu_mib=8192))
        for rows in (10**6, 10**9)
    )
    assert (few.memory, few.disk, few.segments, few.gpus) < (
        many.memory,
        many.disk,
        many.segments,
        many.gpus,
    )


def test_what_no_machine_holds_is_said() -> None:
    assert "distributed Milvus" in sized(Workload(rows=10**10, dimension=128)).reasons["pods"]
