"""The GPU: what runs there, what it may hold, and that its limits change no result.

FAISS's GPU side and CUDA are doubles (support/fake_faiss_gpu.py); everything else is the engine.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from machine.processes import ProcessFailed
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_distances, found_ids

Connect = Callable[[EngineProcess], Milvus1]

FAKE = Path(__file__).parents[1] / "support" / "fake_faiss_gpu.py"
GPU_BYTES = 64 << 20
ROWS = np.random.default_rng(1).normal(size=(6000, 32)).astype(np.float32)
QUERIES = ROWS[::300]
ALL_LISTS = '{"nprobe": 8}'


def program(gpus: int = 1) -> tuple[str, ...]:
    return (str(FAKE), str(gpus), str(GPU_BYTES))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine with two GPUs."""
    folder = tmp_path_factory.mktemp("gpu")
    with EngineProcess(folder / "data", program=program(2)) as process:
        yield process


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine with one GPU."""
    with EngineProcess(tmp_path / "data", program=program()) as process:
        yield process


def exact(
    rows: np.ndarray, queries: np.ndarray, count: int, metric: int, without: range = range(0)
) -> np.ndarray:
    """Return the numbers of the best rows, computed by hand."""
    products = queries.astype(np.float64) @ rows.T
    worst_first = products if metric == 2 else 2 * products - np.square(rows).sum(axis=1)
    worst_first[:, without] = -np.inf
    return np.argsort(-worst_first, axis=1)[:, :count]


def searches(process: EngineProcess, what: str) -> int:
    """Return how many searches of `what` the GPUs have done."""
    return process.log.read_text().count(f" searched {what} ")


def metrics(process: EngineProcess, name: str) -> list[int]:
    lines = process.get("/metrics")[1].splitlines()
    return [int(float(line.split()[1])) for line in lines if line.startswith(f"{name}{{")]


def fill(client: Milvus1, name: str, **options: int) -> None:
    client.create(name, dimension=32, **options)
    client.insert(name, ROWS, range(len(ROWS)))
    client.flush(name)


@pytest.mark.parametrize("metric", [1, 2])
@pytest.mark.parametrize(
    ("index_type", "name", "kind"),
    [
        (1, "IDMAP", "rows"),
        (2, "IVFFLAT", "IndexIVFFlat"),
        (3, "IVFSQ8", "IndexIVFScalarQuantizer"),
        (5, "IVFSQ8H", "IndexIVFScalarQuantizer"),
        (6, "PQ", "IndexIVFPQ"),
    ],
)
def test_searches_run_on_the_gpu(
    engine: EngineProcess,
    client: Milvus1,
    metric: int,
    index_type: int,
    name: str,
    kind: str,
) -> None:
    """Brute force and the IVF indexes are computed there, and find what there is to find."""
    collection = f"c{index_type}_{metric}"
    fill(client, collection, metric_type=metric)
    status = client.create_index(collection, index_type, '{"nlist": 8, "m": 16}')
    assert status.error_code == pb.SUCCESS, status.reason
    before = searches(engine, kind)
    found = found_ids(client.search(collection, QUERIES, topk=5, params=ALL_LISTS))
    assert searches(engine, kind) == before + 1
    assert client.segments(collection)[0]["index_name"] == name
    assert client.describe_index(collection)[0] == index_type
    wanted = exact(ROWS, QUERIES, 5, metric)
    hits = sum(np.isin(ours, theirs).sum() for ours, theirs in zip(found, wanted, strict=True))
    assert hits / wanted.size > (0.5 if index_type == 6 else 0.95)


def test_a_search_for_another_metric_stays_on_the_cpu(
    engine: EngineProcess, client: Milvus1
) -> None:
    """The rows on the GPU are for the collection's own metric; the answer is by the one asked."""
    fill(client, "other_metric")
    own = found_ids(client.search("other_metric", QUERIES, topk=5))
    before = searches(engine, "rows")
    found = found_ids(client.search("other_metric", QUERIES, topk=5, params='{"metric_type": 2}'))
    assert searches(engine, "rows") == before
    np.testing.assert_array_equal(own, exact(ROWS, QUERIES, 5, 1))
    np.testing.assert_array_equal(found, exact(ROWS, QUERIES, 5, 2))


def test_vectors_of_bits_stay_on_the_cpu(engine: EngineProcess, client: Milvus1) -> None:
    """FAISS has no index of bits on a GPU: rows, index and preload are the CPU's."""
    bits = np.packbits(ROWS > 0, axis=1)
    client.create("bits", dimension=32, metric_type=3)
    client.insert("bits", bits, range(len(bits)))
    client.flush("bits")
    before = engine.log.read_text().count(" searched ")
    preload = pb.PreloadCollectionParam(collection_name="bits")
    for index_type in (1, 2):
        client.create_index("bits", index_type, '{"nlist": 8}')
        assert client.stub.PreloadCollection(preload) == pb.Status(reason="OK")
        result = client.search("bits", bits[:10], topk=1, params=ALL_LISTS)
        assert not found_distances(result).any()
    assert engine.log.read_text().count(" searched ") == before


def test_commands_and_metrics_tell_of_the_gpus(engine: EngineProcess, client: Milvus1) -> None:
    """The mode is GPU; each GPU's memory shows beside what the engine holds there, and its end."""
    fill(client, "told")
    client.search("told", QUERIES)
    assert client.command("mode").string_reply == "GPU"
    info = json.loads(client.command("get_system_info").string_reply)
    assert {"gpu0_memory_total", "gpu0_memory_used", "gpu1_memory_total"} < info.keys()
    assert info["gpu0_memory_total"] == str(GPU_BYTES)
    held = metrics(engine, "quiver_engine_gpu_memory_bytes")
    assert len(held) == 2
    assert sum(held) >= ROWS.nbytes
    assert client.drop("told").error_code == pb.SUCCESS
    assert sum(held) - sum(metrics(engine, "quiver_engine_gpu_memory_bytes")) >= ROWS.nbytes


def test_more_results_than_a_gpu_can_give_come_from_the_cpu(
    engine: EngineProcess, client: Milvus1
) -> None:
    """Above 2048 results the CPU searches, with and without an index."""
    fill(client, "deep")
    wanted = exact(ROWS, QUERIES[:3], 3000, 1)
    for _ in range(2):
        found = found_ids(client.search("deep", QUERIES[:3], topk=3000, params=ALL_LISTS))
        for ours, theirs in zip(found, wanted, strict=True):
            assert np.isin(ours, theirs).mean() > 0.999
        client.create_index("deep", 2, '{"nlist": 8}')


@pytest.mark.parametrize("index_type", [1, 2])
@pytest.mark.parametrize("deleted", [3, 500, 2500])
def test_deleted_rows_are_not_found(
    engine: EngineProcess, client: Milvus1, index_type: int, deleted: int
) -> None:
    """Though a GPU cannot leave rows out, every search gives the nearest of those that live."""
    name = f"d{index_type}_{deleted}"
    # Rows on a line: the nearest ones of the first query are the deleted ones.
    rows = np.zeros((6000, 4), np.float32)
    rows[:, 0] = np.arange(6000)
    client.create(name, dimension=4)
    client.insert(name, rows, range(6000))
    client.flush(name)
    if index_type != 1:
        client.create_index(name, index_type, '{"nlist": 8}')
    client.delete(name, range(deleted))
    client.flush(name)
    kind = "rows" if index_type == 1 else "IndexIVFFlat"
    before = searches(engine, kind)
    result = client.search(name, rows[[0, 5000]], topk=4, params=ALL_LISTS)
    first, second = found_ids(result)
    assert first.tolist() == list(range(deleted, deleted + 4))
    assert set(second.tolist()) <= set(range(4997, 5004))
    assert found_distances(result)[0].tolist() == [float(d) ** 2 for d in first]
    assert searches(engine, kind) == before + 1


def test_a_query_with_few_rows_left_gets_those(client: Milvus1) -> None:
    """Where fewer rows live than are asked for, the rest of the answer is padded."""
    client.create("few", dimension=4)
    client.insert("few", np.eye(4, dtype=np.float32), range(4))
    client.flush("few")
    client.delete("few", [0, 2])
    client.flush("few")
    found = found_ids(client.search("few", np.eye(4, dtype=np.float32)[:1], topk=4))
    assert sorted(found[0].tolist()) == [-1, -1, 1, 3]


def test_many_searches_at_once_share_a_gpu(own_engine: EngineProcess, connect: Connect) -> None:
    """Loads, searches, builds and drops from many threads take turns on FAISS's resources."""
    client = connect(own_engine)
    names = [f"c{number}" for number in range(4)]
    for name in names:
        fill(client, name)

    def work(name: str) -> None:
        for _ in range(5):
            found = found_ids(client.search(name, QUERIES, params=ALL_LISTS))
            np.testing.assert_array_equal(found.ravel(), range(0, 6000, 300))
        assert client.create_index(name, 2, '{"nlist": 8}').error_code == pb.SUCCESS
        assert client.search(name, QUERIES, params=ALL_LISTS).status.error_code == pb.SUCCESS
        assert client.drop(name).error_code == pb.SUCCESS

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))
    assert metrics(own_engine, "quiver_engine_gpu_memory_bytes") == [0]
    assert own_engine.stop() == 0


def test_the_budget_of_a_gpu_is_kept(own_engine: EngineProcess, connect: Connect) -> None:
    """The least recently used goes first; what cannot fit is refused with numbers, others go on."""
    own_engine.stop()
    client = connect(own_engine.start("--gpu-memory", "1Mi"))
    assert "up to 1 MiB" in own_engine.log.read_text()
    for name in ("a", "b"):
        fill(client, name)
    for name in ("a", "b", "a"):
        found = found_ids(client.search(name, QUERIES))
        np.testing.assert_array_equal(found.ravel(), range(0, 6000, 300))
        (held,) = metrics(own_engine, "quiver_engine_gpu_memory_bytes")
        assert ROWS.nbytes <= held <= 1 << 20
    client.create("big", dimension=64)
    client.insert("big", np.ones((5000, 64), np.float32))
    client.flush("big")
    result = client.search("big", np.ones((1, 64), np.float32))
    assert result.status.error_code == pb.OUT_OF_MEMORY
    assert "a segment of 5000 rows on GPU 0 takes 1.2 MiB" in result.status.reason
    assert "--gpu-memory" in result.status.reason
    status = client.create_index("big", 2, '{"nlist": 8}')
    assert status.error_code == pb.BUILD_INDEX_ERROR
    assert "the IVF_FLAT index of a segment of 5000 rows on GPU 0 takes" in status.reason
    whole = pb.PreloadCollectionParam(collection_name="big")
    assert client.stub.PreloadCollection(whole).error_code == pb.OUT_OF_MEMORY
    # Its index is a quarter of the rows, and HNSW is the CPU's.
    assert client.create_index("big", 5, '{"nlist": 8}').error_code == pb.SUCCESS
    assert client.stub.PreloadCollection(whole).error_code == pb.SUCCESS
    hnsw = '{"M": 8, "efConstruction": 16}'
    assert client.create_index("big", 11, hnsw).error_code == pb.SUCCESS
    result = client.search("big", np.ones((1, 64), np.float32), params='{"ef": 16}')
    assert result.status.error_code == pb.SUCCESS


def test_a_gpu_that_others_fill_is_told_of(own_engine: EngineProcess, connect: Connect) -> None:
    """When the GPU has no room though the budget has, the call is refused and nothing is kept."""
    own_engine.stop()
    own_engine.program = (str(FAKE), "1", str(3 << 19))
    client = connect(own_engine.start("--gpu-memory", "1Mi"))
    fill(client, "full")
    result = client.search("full", QUERIES)
    assert result.status.error_code == pb.OUT_OF_MEMORY
    assert "the GPU cannot do it" in result.status.reason
    assert "out of memory" in result.status.reason
    assert metrics(own_engine, "quiver_engine_gpu_memory_bytes") == [0]
    status = client.command("get_system_info")
    assert json.loads(status.string_reply)["gpu0_memory_used"] == str(1 << 20)


def test_more_lists_than_a_gpu_can_visit_are_visited_by_the_cpu(
    engine: EngineProcess, client: Milvus1
) -> None:
    """Above nprobe 2048 the CPU searches; up to it the GPU does."""
    rows = np.random.default_rng(1).normal(size=(80_000, 2)).astype(np.float32)
    client.create("lists", dimension=2)
    client.insert("lists", rows, range(len(rows)))
    assert client.create_index("lists", 3, '{"nlist": 65536}').error_code == pb.SUCCESS
    before = searches(engine, "IndexIVFScalarQuantizer")
    for nprobe, more in ((2049, 0), (2048, 1)):
        params = json.dumps({"nprobe": nprobe})
        assert client.search("lists", rows[:2], topk=2, params=params).status.reason == "OK"
        assert searches(engine, "IndexIVFScalarQuantizer") == before + more


def test_an_engine_without_its_gpu_goes_on(own_engine: EngineProcess, connect: Connect) -> None:
    """IVF_SQ8H stays searchable on a CPU, where nobody can ask for a new one."""
    client = connect(own_engine)
    fill(client, "moved")
    client.create_index("moved", 5, '{"nlist": 8}')
    own_engine.stop()
    client = connect(own_engine.start("--device", "cpu"))
    assert client.command("mode").string_reply == "CPU"
    found = found_ids(client.search("moved", QUERIES, params=ALL_LISTS))
    np.testing.assert_array_equal(found.ravel(), range(0, 6000, 300))
    status = client.create_index("moved", 5, '{"nlist": 16}')
    assert status.error_code == pb.ILLEGAL_INDEX_TYPE
    assert "it needs a GPU" in status.reason


def test_a_damaged_index_is_replaced_by_the_rows(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """An index file that cannot be read is not copied to the GPU: its rows are searched there."""
    client = connect(own_engine)
    fill(client, "hurt")
    client.create_index("hurt", 2, '{"nlist": 8}')
    (path,) = (own_engine.data_dir / "segments").glob("*.idx")
    own_engine.stop()
    with path.open("r+b") as file:
        file.seek(-10, 2)
        file.write(b"0123456789")
    client = connect(own_engine.start())
    found = found_ids(client.search("hurt", QUERIES, topk=2, params=ALL_LISTS))
    np.testing.assert_array_equal(found[:, 0], range(0, 6000, 300))
    assert searches(own_engine, "rows") == 1


def test_a_budget_that_no_gpu_has_stops_the_start(own_engine: EngineProcess) -> None:
    """The refusal has both numbers and what to do."""
    own_engine.stop()
    with pytest.raises(ProcessFailed, match=r"is 1024 MiB, and GPU 0 has 64 MiB: give less"):
        own_engine.start("--gpu-memory", "1Gi")
