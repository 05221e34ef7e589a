"""CreateIndex, DescribeIndex, DropIndex: checks, what is found, what goes on meanwhile."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import faiss
import grpc
import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_distances, found_ids
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]

ROWS = 12_000
DIMENSION = 32
TOPK = 10
CHANCE = 0.03
KINDS = {
    "IVF_FLAT": (2, {"nlist": 64}, {"nprobe": 8}, "IVFFLAT", "IVF64,Flat"),
    "IVF_SQ8": (3, {"nlist": 64}, {"nprobe": 8}, "IVFSQ8", "IVF64,SQ8"),
    "IVF_PQ": (6, {"nlist": 64, "m": 8, "nbits": 6}, {"nprobe": 8}, "PQ", "IVF64,PQ8x6np"),
    "HNSW": (11, {"M": 16, "efConstruction": 100}, {"ef": 64}, "HNSW", "HNSW16,Flat"),
    "RNSG": (
        4,
        {"search_length": 45, "out_degree": 32, "candidate_pool_size": 100, "knng": 50},
        {"search_length": 50},
        "NSG",
        "HNSW16,Flat",
    ),
    "ANNOY": (12, {"n_trees": 8}, {"search_k": -1}, "ANNOY", "HNSW8,Flat"),
}
EF = {"HNSW": (100, 64), "RNSG": (100, 50), "ANNOY": (100, 80)}
"""Of the graph that stands for each: efConstruction and ef."""
SLOW = (11, json.dumps({"M": 64, "efConstruction": 512}))


def clustered(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(100, dimension))
    near = centres[random.integers(100, size=count)]
    return (near + 0.3 * random.normal(size=(count, dimension))).astype(np.float32)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    hits = [len(np.intersect1d(one, other)) for one, other in zip(found, exact, strict=True)]
    return sum(hits) / exact.size


def index_names(client: Milvus1, name: str) -> list[str]:
    return [segment["index_name"] for segment in client.segments(name)]


@pytest.fixture(scope="module")
def filled(client: Milvus1) -> dict[int, str]:
    """Two collections of the same rows, L2 and IP, in three full segments each."""
    names = {1: "indexed_l2", 2: "indexed_ip"}
    for metric, name in names.items():
        client.create(name, DIMENSION, index_file_size=1, metric_type=metric)
        client.insert(name, clustered(ROWS, DIMENSION), range(ROWS))
        client.flush(name)
    return names


@pytest.mark.parametrize("metric", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_finds_no_less_than_one_of_faiss_over_all_rows(
    client: Milvus1, filled: dict[int, str], kind: str, metric: int
) -> None:
    """Recall over segments with an index each is that of the same FAISS index over all rows."""
    number, build, search, index_name, recipe = KINDS[kind]
    name, rows, queries = filled[metric], clustered(ROWS, DIMENSION), clustered(200, DIMENSION, 7)
    faiss_metric = {1: faiss.METRIC_L2, 2: faiss.METRIC_INNER_PRODUCT}[metric]
    _, exact = faiss.knn(queries, rows, TOPK, faiss_metric)
    assert client.create_index(name, number, json.dumps(build)) == pb.Status(reason="OK")
    assert index_names(client, name).count(index_name) == 1
    assert client.describe_index(name) == (number, json.dumps(build))
    result = client.search(name, queries, TOPK, params=json.dumps(search))
    faiss.omp_set_num_threads(1)  # several threads wait for each other where cores are few
    whole = faiss.index_factory(DIMENSION, recipe, faiss_metric)
    if kind in EF:
        whole.hnsw.efConstruction, whole.hnsw.efSearch = EF[kind]
    else:
        whole.nprobe = search["nprobe"]
    whole.train(rows)
    whole.add(rows)
    _, found = whole.search(queries, TOPK)
    assert recall(found_ids(result), exact) >= recall(found, exact) - CHANCE
    best = found_distances(result)[:, 0]
    assert (np.diff(found_distances(result) * (1 if metric == 1 else -1), axis=1) >= 0).all()
    assert np.isfinite(best).all()


PQ = {"nlist": 1, "m": 2}
RNSG = {"search_length": 45, "out_degree": 50, "candidate_pool_size": 300, "knng": 100}
RNSG_RANGES = {
    "search_length": (10, 300),
    "out_degree": (5, 300),
    "candidate_pool_size": (50, 1000),
    "knng": (5, 300),
}


@pytest.mark.parametrize(
    ("name", "number", "params", "code"),
    [
        ("missing", 99, None, pb.COLLECTION_NOT_EXISTS),
        ("checked", 0, None, pb.ILLEGAL_INDEX_TYPE),
        ("checked", 99, None, pb.ILLEGAL_INDEX_TYPE),
        ("checked", 5, '{"nlist": 1}', pb.ILLEGAL_INDEX_TYPE),
        ("checked", 1, None, pb.SUCCESS),
        ("checked", 1, "{", pb.ILLEGAL_ARGUMENT),
        ("checked", 2, None, pb.ILLEGAL_ARGUMENT),
        ("checked", 2, "[]", pb.ILLEGAL_ARGUMENT),
        ("checked", 2, "{}", pb.ILLEGAL_ARGUMENT),
        ("checked", 2, '{"nlist": "1"}', pb.ILLEGAL_ARGUMENT),
        ("checked", 2, '{"nlist": true}', pb.ILLEGAL_ARGUMENT),
        ("checked", 2, '{"nlist": 1.0}', pb.ILLEGAL_ARGUMENT),
        ("checked", 2, '{"nlist": 0}', pb.ILLEGAL_ARGUMENT),
        ("checked", 2, '{"nlist": 65537}', pb.ILLEGAL_ARGUMENT),
        ("checked", 2, '{"nlist": 65536, "more": "is kept"}', pb.SUCCESS),
        ("checked", 2, json.dumps({"nlist": 1, "more": "x" * 5000}), pb.ILLEGAL_ARGUMENT),
        ("checked", 3, '{"nlist": 1}', pb.SUCCESS),
        ("checked", 6, json.dumps(PQ), pb.SUCCESS),
        ("checked", 6, json.dumps({"nlist": 1}), pb.ILLEGAL_ARGUMENT),
        ("checked", 6, json.dumps(PQ | {"m": 0}), pb.ILLEGAL_ARGUMENT),
        ("checked", 6, json.dumps(PQ | {"m": 3}), pb.ILLEGAL_DIMENSION),
        ("checked", 6, json.dumps(PQ | {"nbits": 0}), pb.ILLEGAL_ARGUMENT),
        ("checked", 6, json.dumps(PQ | {"nbits": 17}), pb.ILLEGAL_ARGUMENT),
        ("checked", 6, json.dumps(PQ | {"nbits": 9}), pb.BUILD_INDEX_ERROR),
        ("checked", 6, json.dumps(PQ | {"nbits": 4}), pb.SUCCESS),
        ("checked", 11, '{"M": 4, "efConstruction": 8}', pb.SUCCESS),
        ("checked", 11, '{"M": 64, "efConstruction": 512}', pb.SUCCESS),
        ("checked", 11, '{"M": 3, "efConstruction": 8}', pb.ILLEGAL_ARGUMENT),
        ("checked", 11, '{"M": 65, "efConstruction": 8}', pb.ILLEGAL_ARGUMENT),
        ("checked", 11, '{"M": 4, "efConstruction": 7}', pb.ILLEGAL_ARGUMENT),
        ("checked", 11, '{"M": 4, "efConstruction": 513}', pb.ILLEGAL_ARGUMENT),
        ("checked", 11, '{"M": 4}', pb.ILLEGAL_ARGUMENT),
        ("checked", 4, None, pb.ILLEGAL_ARGUMENT),
        ("checked", 4, json.dumps(RNSG), pb.SUCCESS),
        *[
            ("checked", 4, json.dumps(RNSG | {name: value}), code)
            for name, (least, most) in RNSG_RANGES.items()
            for value, code in [
                (least - 1, pb.ILLEGAL_ARGUMENT),
                (least, pb.SUCCESS),
                (most, pb.SUCCESS),
                (most + 1, pb.ILLEGAL_ARGUMENT),
            ]
        ],
        ("checked", 12, None, pb.ILLEGAL_ARGUMENT),
        ("checked", 12, '{"n_trees": 0}', pb.ILLEGAL_ARGUMENT),
        ("checked", 12, '{"n_trees": 1}', pb.SUCCESS),
        ("checked", 12, '{"n_trees": 1024}', pb.SUCCESS),
        ("checked", 12, '{"n_trees": 1025}', pb.ILLEGAL_ARGUMENT),
    ],
)
def test_create_index_checks_existence_type_and_parameters_in_that_order(
    client: Milvus1, name: str, number: int, params: str | None, code: int
) -> None:
    """CreateIndex answers the code of the first check that fails, and then changes nothing."""
    client.create("checked", dimension=4)
    client.drop_index("checked")
    status = client.create_index(name, number, params)
    assert status.error_code == code, status.reason
    described = (number, params or "{}") if code == pb.SUCCESS else (1, "{}")
    assert client.describe_index("checked") == described


@pytest.fixture(scope="module")
def kinds_set(client: Milvus1) -> None:
    """A collection with three rows for each kind of index, none of which is built for so few."""
    for kind, (number, build, *_) in KINDS.items():
        client.create(f"few_{kind}", dimension=16)
        client.insert(f"few_{kind}", [[i] * 16 for i in range(3)], range(3))
        assert client.create_index(f"few_{kind}", number, json.dumps(build)).error_code == 0
        assert index_names(client, f"few_{kind}") == ["IDMAP"]


@pytest.mark.parametrize(
    ("kind", "topk", "params", "code"),
    [
        ("IVF_FLAT", 1, None, pb.ILLEGAL_ARGUMENT),
        ("IVF_FLAT", 1, '{"ef": 10}', pb.ILLEGAL_ARGUMENT),
        ("IVF_FLAT", 1, '{"nprobe": 0}', pb.ILLEGAL_ARGUMENT),
        ("IVF_FLAT", 1, '{"nprobe": 65537}', pb.ILLEGAL_ARGUMENT),
        ("IVF_FLAT", 1, '{"nprobe": 65536}', pb.SUCCESS),
        ("IVF_SQ8", 1, '{"nprobe": "8"}', pb.ILLEGAL_ARGUMENT),
        ("IVF_PQ", 1, '{"nprobe": 1}', pb.SUCCESS),
        ("HNSW", 1, '{"nprobe": 1}', pb.ILLEGAL_ARGUMENT),
        ("HNSW", 10, '{"ef": 9}', pb.ILLEGAL_ARGUMENT),
        ("HNSW", 10, '{"ef": 10}', pb.SUCCESS),
        ("HNSW", 10, '{"ef": 32768}', pb.SUCCESS),
        ("HNSW", 10, '{"ef": 32769}', pb.ILLEGAL_ARGUMENT),
        ("RNSG", 1, None, pb.ILLEGAL_ARGUMENT),
        ("RNSG", 1, '{"search_length": 9}', pb.ILLEGAL_ARGUMENT),
        ("RNSG", 1, '{"search_length": 10}', pb.SUCCESS),
        ("RNSG", 400, '{"search_length": 300}', pb.SUCCESS),
        ("RNSG", 1, '{"search_length": 301}', pb.ILLEGAL_ARGUMENT),
        ("ANNOY", 1, "{}", pb.ILLEGAL_ARGUMENT),
        ("ANNOY", 1, '{"search_k": "1"}', pb.ILLEGAL_ARGUMENT),
        ("ANNOY", 1, '{"search_k": -1}', pb.SUCCESS),
        ("ANNOY", 1, '{"search_k": 1}', pb.SUCCESS),
        ("ANNOY", 1, '{"search_k": 9223372036854775807}', pb.SUCCESS),
        ("ANNOY", 1, '{"search_k": 9223372036854775808}', pb.ILLEGAL_ARGUMENT),
    ],
)
def test_search_parameters_are_those_of_the_collections_index(
    client: Milvus1, kinds_set: None, kind: str, topk: int, params: str | None, code: int
) -> None:
    """The nprobe or ef is wanted and held to its range, even where no segment has an index."""
    result = client.search(f"few_{kind}", [[1.0] * 16], topk, params=params)
    assert result.status.error_code == code, result.status.reason
    if code == pb.SUCCESS:
        assert found_ids(result)[0, 0] == 1


def test_drop_index_returns_to_flat(client: Milvus1) -> None:
    """After DropIndex the index is FLAT, nothing is IVFFLAT any more, and search is exact."""
    rows = clustered(5000, 8)
    client.create("dropped_index", dimension=8)
    client.insert("dropped_index", rows, range(5000))
    client.create_index("dropped_index", 2, '{"nlist": 64}')
    assert index_names(client, "dropped_index") == ["IVFFLAT"]
    assert client.drop_index("dropped_index") == pb.Status(reason="OK")
    assert client.describe_index("dropped_index") == (1, "{}")
    assert index_names(client, "dropped_index") == ["IDMAP"]
    found = found_ids(client.search("dropped_index", rows[:500]))
    np.testing.assert_array_equal(found.ravel(), range(500))
    missing = pb.CollectionName(collection_name="missing")
    assert client.drop_index("missing").error_code == pb.COLLECTION_NOT_EXISTS
    assert client.stub.DescribeIndex(missing).status.error_code == pb.COLLECTION_NOT_EXISTS


def test_create_index_flushes_merges_and_leaves_small_segments_alone(client: Milvus1) -> None:
    """Waiting rows are flushed, small segments become one with an index; later ones stay raw."""
    rows = clustered(6000, 8)
    client.create("merged_first", dimension=8)
    client.create_partition("merged_first", "small")
    client.insert("merged_first", rows[:100], range(100), "small")
    for start in (0, 3000):
        client.insert("merged_first", rows[start : start + 3000], range(start, start + 3000))
        if not start:
            client.flush("merged_first")
    assert client.create_index("merged_first", 2, '{"nlist": 64}').error_code == pb.SUCCESS
    shapes = {(s["row_count"], s["index_name"]) for s in client.segments("merged_first")}
    assert shapes == {(6000, "IVFFLAT"), (100, "IDMAP")}
    client.insert("merged_first", rows[:5000], range(6000, 11_000))
    client.flush("merged_first")
    shapes = {(s["row_count"], s["index_name"]) for s in client.segments("merged_first")}
    assert shapes == {(6000, "IVFFLAT"), (100, "IDMAP"), (5000, "IDMAP")}


def test_full_segments_are_indexed_in_the_background(client: Milvus1) -> None:
    """With an index set, what reaches index_file_size gets it without being asked for."""
    rows = clustered(10_000, 64)
    client.create("background", dimension=64, index_file_size=1)
    client.create_index("background", 3, '{"nlist": 16}')
    client.insert("background", rows, range(10_000))
    client.flush("background")
    names = ["IDMAP", "IVFSQ8", "IVFSQ8"]
    wait_until(lambda: sorted(index_names(client, "background")) == names, "both are indexed")
    found = found_ids(client.search("background", rows[:200], params='{"nprobe": 16}'))
    assert (found.ravel() == range(200)).mean() > 0.99


def test_rows_that_are_no_numbers_do_not_keep_an_index_from_being_built(client: Milvus1) -> None:
    """NaN rows are left out of the training; where there are no others, the reason says so."""
    rows = clustered(5000, 4)
    rows[::100] = np.nan
    client.create("holes", dimension=4)
    client.insert("holes", rows, range(5000))
    assert client.create_index("holes", 2, '{"nlist": 16}').error_code == pb.SUCCESS
    found = found_ids(client.search("holes", rows[1:50], params='{"nprobe": 16}'))
    np.testing.assert_array_equal(found.ravel(), range(1, 50))
    client.create("nothing", dimension=4)
    client.insert("nothing", np.full((5000, 4), np.nan, np.float32))
    status = client.create_index("nothing", 2, '{"nlist": 16}')
    assert status.error_code == pb.BUILD_INDEX_ERROR
    assert "finite numbers" in status.reason
    assert client.count("nothing") == 5000


@pytest.mark.parametrize("metric", [1, 2])
@pytest.mark.parametrize(
    ("index_type", "params"),
    [
        (2, '{"nlist": 8, "nprobe": 8}'),
        (3, '{"nlist": 8, "nprobe": 8}'),
        (6, '{"nlist": 8, "m": 2, "nprobe": 8}'),
        (11, '{"M": 8, "efConstruction": 16, "ef": 64}'),
        (
            4,
            '{"search_length": 20, "out_degree": 20, "candidate_pool_size": 60, "knng": 20}',
        ),
        (12, '{"n_trees": 4, "search_k": -1}'),
    ],
)
def test_huge_numbers_do_not_bring_the_engine_down(
    client: Milvus1, metric: int, index_type: int, params: str
) -> None:
    """Rows whose distances overflow are left out of the training; the others are found."""
    name = f"huge_{metric}_{index_type}"
    rows = clustered(5000, 8)
    rows[10:15] = 3e38
    rows[15:20] = -3e38, 3e38, 0, 0, 1e30, 1e25, 1e20, 1e19
    rows[20:220] = np.random.default_rng(1).integers(0, 2**32, (200, 8), np.uint32).view("f4")
    client.create(name, dimension=8, metric_type=metric)
    client.insert(name, rows, range(len(rows)))
    assert client.create_index(name, index_type, params).error_code == pb.SUCCESS
    result = client.search(name, rows[:300], topk=3, params=params)
    assert result.status.error_code == pb.SUCCESS
    if (metric, index_type) == (1, 2):
        np.testing.assert_array_equal(found_ids(result)[:10, 0], range(10))


def test_a_build_blocks_nobody(own_engine: EngineProcess, connect: Connect) -> None:
    """While an index is built, everything else is answered, and DescribeIndex tells of it."""
    client, rows = connect(own_engine), clustered(30_000, 128)
    client.create("slow", dimension=128)
    client.insert("slow", rows, range(len(rows)))
    outcome: list[pb.Status] = []
    build = threading.Thread(target=lambda: outcome.append(client.create_index("slow", *SLOW)))
    build.start()
    wait_until(
        lambda: client.describe_index("slow") == SLOW and client.count("slow") == len(rows),
        "the index is described and all rows are seen",
    )
    found = found_ids(client.search("slow", rows[:10], params='{"ef": 10}'))
    np.testing.assert_array_equal(found.ravel(), range(10))
    assert client.create("other").error_code == pb.SUCCESS
    assert client.insert("other", [[1.0] * 4]).status.error_code == pb.SUCCESS
    assert client.insert("slow", rows[:1], [99_999]).status.error_code == pb.SUCCESS
    assert client.flush().error_code == pb.SUCCESS
    assert client.count("slow") == len(rows) + 1
    assert client.drop("other").error_code == pb.SUCCESS
    assert index_names(client, "slow") == ["IDMAP", "IDMAP"]
    (call,) = json.loads(client.command("requests").string_reply)["requests"]
    assert call.startswith("CreateIndex-")
    assert build.is_alive()
    assert client.drop("slow").error_code == pb.SUCCESS
    build.join(30)
    assert outcome[0].error_code == pb.COLLECTION_NOT_EXISTS


def test_a_build_that_a_kill_cuts_off_is_taken_up_again(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """After `kill -9` in the middle of a build the index is described, and gets built."""
    client, rows = connect(own_engine), clustered(20_000, 64)
    params = json.dumps({"M": 16, "efConstruction": 300})
    client.create("cut_off", dimension=64)
    client.insert("cut_off", rows, range(len(rows)))
    client.flush("cut_off")
    with pytest.raises(Exception, match="DEADLINE_EXCEEDED"):
        client.create_index("cut_off", 11, params, timeout=0.5)
    own_engine.kill()
    client = connect(own_engine.start())
    assert client.describe_index("cut_off") == (11, params)
    wait_until(lambda: index_names(client, "cut_off") == ["HNSW"], "the index is built")
    found = found_ids(client.search("cut_off", rows[:100], params='{"ef": 64}'))
    assert (found.ravel() == range(100)).mean() > 0.95
    assert own_engine.stop() == 0
    client = connect(own_engine.start())
    assert index_names(client, "cut_off") == ["HNSW"]


def test_an_index_changes_while_searches_run(own_engine: EngineProcess, connect: Connect) -> None:
    """Searches see all rows while the index is built, replaced and dropped, time after time."""
    client, rows = connect(own_engine), clustered(9000, 16)
    client.create("changing", dimension=16, index_file_size=1)
    client.insert("changing", rows, range(9000))
    client.flush("changing")
    done = threading.Event()
    failures: list[object] = []

    def change() -> None:
        for number, params in [(2, '{"nlist": 64}'), (3, '{"nlist": 8}')] * 5:
            failures.append(client.create_index("changing", number, params).error_code)
        failures.append(client.drop_index("changing").error_code)
        done.set()

    changes = threading.Thread(target=change)
    changes.start()
    while not done.is_set():
        found = found_ids(client.search("changing", rows[::500], params='{"nprobe": 64}'))
        np.testing.assert_array_equal(found.ravel(), range(0, 9000, 500))
    changes.join()
    assert set(failures) == {pb.SUCCESS}
    segments = own_engine.data_dir / "segments"
    wait_until(lambda: list(segments.glob("*.idx*")) == [], "the files of indexes are removed")


@pytest.mark.parametrize("at_start", [True, False])
def test_a_damaged_index_is_built_anew(
    own_engine: EngineProcess, connect: Connect, at_start: bool
) -> None:
    """A flipped bit or a missing file costs a build: the log tells, every row is still found."""
    client, rows = connect(own_engine), clustered(5000, 8)
    client.create("damaged", dimension=8)
    client.insert("damaged", rows, range(5000))
    client.create_index("damaged", 2, '{"nlist": 16}')
    own_engine.stop()
    (index,) = own_engine.data_dir.glob("segments/*.idx")
    if at_start:
        index.unlink()
    else:
        flip_bit(index, -100)
    client = connect(own_engine.start())
    found = found_ids(client.search("damaged", rows[:100], params='{"nprobe": 16}'))
    np.testing.assert_array_equal(found.ravel(), range(100))
    wait_until(lambda: f"index file {index} is damaged" in own_engine.output, "the damage is told")
    wait_until(lambda: "indexed 5000 rows" in own_engine.output, "the build is told")
    wait_until(lambda: index_names(client, "damaged") == ["IVFFLAT"], "the index is there again")
    found = found_ids(client.search("damaged", rows[:100], params='{"nprobe": 16}'))
    np.testing.assert_array_equal(found.ravel(), range(100))


def flip_bit(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_searches_go_before_builds(own_engine: EngineProcess) -> None:
    """The threads that a build keeps busy are of a lower priority than those that search."""

    def worked() -> dict[int, float]:
        """Return the seconds that each thread has used in user mode."""
        return {thread.id: thread.user_time for thread in own_engine.usage.threads()}

    client = Milvus1(own_engine.grpc_address)
    client.create("c", DIMENSION)
    client.insert("c", clustered(ROWS, DIMENSION))
    client.flush("c")
    before = worked()
    with pytest.raises(grpc.RpcError):
        client.create_index("c", *SLOW, timeout=0.5)
    busy: list[int] = []

    def is_building() -> bool:
        busy[:] = [task for task, now in worked().items() if now - before.get(task, 0) >= 0.2]
        return bool(busy)

    wait_until(is_building, "a thread has built for 0.2 s")
    usual = os.getpriority(os.PRIO_PROCESS, own_engine.pid)
    assert all(os.getpriority(os.PRIO_PROCESS, task) > usual for task in busy)
    client.drop("c")
    client.close()
