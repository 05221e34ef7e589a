"""CreateIndex and Search: which parameters of an index are taken, and which code refuses others."""

import json

import pytest

from quiver_proto import milvus_pb2 as pb
from support.index_kinds import KINDS
from support.milvus1_client import Milvus1, found_ids

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
        assert client.index_names(f"few_{kind}") == ["IDMAP"]


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
