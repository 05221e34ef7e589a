"""Clients that leave before they are answered cost nothing more."""

import grpc
import numpy as np

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, records
from support.waiting import wait_until

DEADLINE_S = 30.0


def test_a_search_that_is_cancelled_stops(engine: EngineProcess, client: Milvus1) -> None:
    """Searches end between two segments when their clients leave, with nobody to tell."""
    client.create("rows", dimension=32, index_file_size=1)
    rows = np.random.default_rng(1).normal(size=(30_000, 32)).astype(np.float32)
    client.insert("rows", rows, range(len(rows)))
    client.flush("rows")
    request = pb.SearchParam(
        collection_name="rows", query_record_array=records(rows[:1000]), topk=100
    )
    calls = [client.stub.Search.future(request) for _ in range(12)]
    wait_until(lambda: told(engine, "calls_in_flight") > 6, "searches begin", DEADLINE_S)
    for call in calls:
        call.cancel()
    wait_until(lambda: told(engine, "calls_in_flight") == 0, "searches end", DEADLINE_S)
    assert told(engine, 'calls_total{code="1",rpc="Search"}') > 0


def told(process: EngineProcess, metric: str) -> float:
    """Return a metric's value, 0 where there is none yet."""
    lines = process.get("/metrics")[1].splitlines()
    values = [line.split()[-1] for line in lines if line.startswith(f"quiver_engine_{metric} ")]
    return float(values[0]) if values else 0.0


def test_an_insert_that_is_cancelled_is_kept_whole_or_not_at_all(client: Milvus1) -> None:
    """Whatever the moment of the cancel, all of an Insert's rows are there or none of them."""
    client.create("cancelled", dimension=32)
    rows = np.zeros((2000, 32), np.float32)
    requests = [
        pb.InsertParam(
            collection_name="cancelled",
            row_record_array=records(rows),
            row_id_array=[number] * len(rows),
        )
        for number in range(10)
    ]

    def begin_and_leave(number: int) -> None:
        call = client.stub.Insert.future(requests[number])
        try:
            call.result(timeout=number / 1000)
        except grpc.FutureTimeoutError:
            call.cancel()

    for number in range(10):
        begin_and_leave(number)
    client.insert("cancelled", rows[:1], [99])
    client.flush("cancelled")
    ids = [
        id_
        for segment in client.segments("cancelled")
        for id_ in client.stub.GetVectorIDs(
            pb.GetVectorIDsParam(collection_name="cancelled", segment_name=segment["name"])
        ).vector_id_array
    ]
    counts = {number: ids.count(number) for number in range(10)}
    assert set(counts.values()) <= {0, len(rows)}
