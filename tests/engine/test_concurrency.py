"""Calls beside each other: nobody sees half a change, nobody waits for a merge."""

import threading
from collections.abc import Callable

import numpy as np

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids

BATCH = 400
BATCHES = 40


def test_searches_see_every_flushed_row_once_while_segments_are_merged(
    own_engine: EngineProcess, connect: Callable[[EngineProcess], Milvus1]
) -> None:
    """Under inserts, flushes, merges, creates and drops a search finds each flushed row, once."""
    client = connect(own_engine)
    rows = np.random.default_rng(3).normal(size=(BATCH * BATCHES, 64)).astype(np.float32)
    client.create("busy", dimension=64, index_file_size=1)
    flushed = [0]
    failures: list[object] = []

    def write() -> None:
        for start in range(0, len(rows), BATCH):
            client.insert("busy", rows[start : start + BATCH], range(start, start + BATCH))
            client.flush("busy")
            flushed[0] = start + BATCH

    def create_and_drop() -> None:
        while flushed[0] < len(rows):
            outcomes = [client.create("other"), client.insert("other", [[1.0] * 4]).status]
            outcomes += [client.flush("other"), client.drop("other")]
            failures.extend(o.reason for o in outcomes if o.error_code != pb.SUCCESS)

    threads = [threading.Thread(target=work) for work in (write, create_and_drop)]
    for thread in threads:
        thread.start()
    while threads[0].is_alive():
        known = flushed[0]
        asked = np.arange(0, known, 97)
        if known:
            found = found_ids(client.search("busy", rows[asked], topk=2))
            np.testing.assert_array_equal(found[:, 0], asked)
            assert (found[:, 0] != found[:, 1]).all()
    for thread in threads:
        thread.join()
    assert failures == []
    everything = found_ids(client.search("busy", rows[:1], topk=len(rows)))[0]
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(rows)))
