"""Many clients at once, slow ones and busy ones among them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from quiver_proto import milvus_pb2_grpc
from support.milvus1_client import Milvus1, records
from support.slow_client import SlowClient

DEADLINE_S = 30.0
SLOW_CLIENTS = 300
CONNECTIONS = 2000


def test_clients_that_never_finish_their_requests_hold_up_nobody(
    engine: EngineProcess, client: Milvus1
) -> None:
    """Beside hundreds of connections whose requests do not end, others are answered as ever."""
    client.create("beside", dimension=8)
    with ExitStack() as open_ones:
        for number in range(SLOW_CLIENTS):
            slow = SlowClient(engine.grpc_address, "Insert" if number % 2 else "HasCollection")
            open_ones.callback(slow.close)
        name = pb.CollectionName(collection_name="beside")
        for _ in range(20):
            assert client.stub.HasCollection(name, timeout=DEADLINE_S).bool_reply
        rows = np.ones((10, 8), np.float32)
        request = pb.InsertParam(collection_name="beside", row_record_array=records(rows))
        assert client.stub.Insert(request, timeout=DEADLINE_S).status.error_code == pb.SUCCESS


def test_thousands_of_connections_are_served(engine: EngineProcess) -> None:
    """Each of two thousand connections that are open at once gets its answer."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    with ExitStack() as open_ones:
        calls = []
        for _ in range(CONNECTIONS):
            channel = open_ones.enter_context(grpc.insecure_channel(engine.grpc_address, own))
            stub = milvus_pb2_grpc.MilvusServiceStub(channel)
            calls.append(stub.Cmd.future(pb.Command(cmd="status"), timeout=2 * DEADLINE_S))
        assert {call.result().string_reply for call in calls} == {"OK"}


@pytest.fixture(scope="module")
def rows(client: Milvus1) -> Iterator[np.ndarray]:
    """Rows in three segments, one of them with deleted ones."""
    client.create("company", dimension=16)
    drawn = np.random.default_rng(3).normal(size=(9000, 16)).astype(np.float32)
    for start in range(0, 9000, 3000):
        client.insert("company", drawn[start : start + 3000], range(start, start + 3000))
        client.flush("company")
    client.delete("company", range(0, 3000, 7))
    client.flush("company")
    return drawn


def test_a_search_in_company_finds_what_it_finds_alone(
    engine: EngineProcess, client: Milvus1, rows: np.ndarray
) -> None:
    """Ids and distances are the same to the last bit, whoever else searches at the moment."""
    requests = [
        pb.SearchParam(
            collection_name="company",
            query_record_array=records(rows[number : number + 1 + number % 3] + 0.1),
            topk=5 + number % 2,
        )
        for number in range(64)
    ]
    alone = [client.stub.Search(request) for request in requests]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):
            assert list(pool.map(client.stub.Search, requests)) == alone


def test_a_hammered_collection_starves_no_other(
    engine: EngineProcess, client: Milvus1, rows: np.ndarray
) -> None:
    """While hundreds of large searches of one collection wait, one of another is answered."""
    client.create("small", dimension=16)
    client.insert("small", rows[:10], range(10))
    client.flush("small")
    large = pb.SearchParam(
        collection_name="company", query_record_array=records(rows[:1000]), topk=200
    )
    small = pb.SearchParam(collection_name="small", query_record_array=records(rows[:1]), topk=1)
    hammering = [client.stub.Search.future(large) for _ in range(300)]
    other = Milvus1(engine.grpc_address)
    assert list(other.stub.Search(small, timeout=DEADLINE_S).ids) == [0]
    assert not all(call.done() for call in hammering)
    for call in hammering:
        call.cancel()
    other.close()
