"""`python -m bench.engine.milvus_client`: drives a Milvus 2 or 3 server, line by line of JSON.

It runs in an environment of its own with that server's pymilvus, of which it takes the messages of
the protocol only: its requests are bytes before the clock starts, as those to the engine are.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

from bench.engine.driving import drive

COLLECTION, BATCH, TOPK = "bench", 10_000, 10
START_S = 180.0
ASK_S = 0.05
OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
SEARCH = "/milvus.proto.milvus.MilvusService/Search"


class Server:
    """A server process and a connection to it; each method's result is what the parent is told."""

    _process: Any = None

    def start(self, command: list[str], address: str, log: str) -> Any:
        begun = time.perf_counter()
        with Path(log).open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        # One that was refused would wait ever longer before it connects again.
        options = [*OPTIONS, ("grpc.max_reconnect_backoff_ms", 100)]
        self._channel = grpc.insecure_channel(address, options)
        self._stub: Any = milvus_pb2_grpc.MilvusServiceStub(self._channel)
        return {"address": address, "begun": begun}

    def create(self, dimension: int, begun: float) -> Any:
        """Create the collection as soon as the server does; `begun` is when it was started."""
        fields = [
            schema_pb2.FieldSchema(name="id", is_primary_key=True, data_type=schema_pb2.Int64),
            schema_pb2.FieldSchema(
                name="vector",
                data_type=schema_pb2.FloatVector,
                type_params=_pairs({"dim": dimension}),
            ),
        ]
        schema = schema_pb2.CollectionSchema(name=COLLECTION, fields=fields)
        request = milvus_pb2.CreateCollectionRequest(
            collection_name=COLLECTION,
            schema=schema.SerializeToString(),
            shards_num=1,
            consistency_level=common_pb2.Eventually,
        )
        while True:
            try:
                _succeeded(self._stub.CreateCollection(request, timeout=60))
                return {"start_s": time.perf_counter() - begun}
            except (grpc.RpcError, RuntimeError) as error:
                if self._process.poll() is not None:
                    code = self._process.returncode
                    raise RuntimeError(f"the server ended with code {code}") from error
                if time.perf_counter() - begun > START_S:
                    raise
            time.sleep(ASK_S)

    def memory(self) -> Any:
        """Return the MiB of the largest of the server's processes: others only start it."""
        return {"rss_mib": max(map(_rss_mib, self._members()))}

    def _members(self) -> list[int]:
        """Return the processes of the server's session."""
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        return [pid for pid in pids if _session(pid) == self._process.pid]

    def load(self, rows: str) -> Any:
        vectors = np.load(rows, mmap_mode="r")
        requests = [
            _insert(vectors[start : start + BATCH], start)
            for start in range(0, len(vectors), BATCH)
        ]
        begun = time.perf_counter()
        for request in requests:
            _succeeded(self._stub.Insert(request))
        inserted = time.perf_counter()
        names = [COLLECTION]
        answer = _succeeded(self._stub.Flush(milvus_pb2.FlushRequest(collection_names=names)))
        state = milvus_pb2.GetFlushStateRequest(
            segmentIDs=answer.coll_segIDs[COLLECTION].data,
            flush_ts=answer.coll_flush_ts[COLLECTION],
            collection_name=COLLECTION,
        )
        _wait(lambda: _succeeded(self._stub.GetFlushState(state)).flushed)
        return {"insert_s": inserted - begun, "flush_s": time.perf_counter() - inserted}

    def index(self, kind: str, params: dict[str, int]) -> Any:
        """Put an index in the place of the one before, and load it."""
        name = {"collection_name": COLLECTION}
        self._stub.ReleaseCollection(milvus_pb2.ReleaseCollectionRequest(**name))
        self._stub.DropIndex(milvus_pb2.DropIndexRequest(**name, field_name="vector"))
        extra = {"index_type": kind, "metric_type": "L2", "params": json.dumps(params)}
        request = milvus_pb2.CreateIndexRequest(
            **name, field_name="vector", extra_params=_pairs(extra)
        )
        begun = time.perf_counter()
        _succeeded(self._stub.CreateIndex(request))
        _wait(self._is_built)
        built = time.perf_counter()
        _succeeded(self._stub.LoadCollection(milvus_pb2.LoadCollectionRequest(**name)))
        progress = milvus_pb2.GetLoadingProgressRequest(**name)
        _wait(lambda: _succeeded(self._stub.GetLoadingProgress(progress)).progress == 100)
        return {"build_s": built - begun, "load_s": time.perf_counter() - built}

    def _is_built(self) -> bool:
        request = milvus_pb2.DescribeIndexRequest(collection_name=COLLECTION)
        (index,) = _succeeded(self._stub.DescribeIndex(request)).index_descriptions
        if index.state == common_pb2.Failed:
            raise RuntimeError(index.index_state_fail_reason)
        return bool(index.state == common_pb2.Finished and not index.pending_index_rows)

    def find(self, queries: str, params: dict[str, int]) -> Any:
        answer = _succeeded(self._stub.Search(_search(np.load(queries), params)))
        return {"ids": list(answer.results.ids.int_id.data)}

    def drive(
        self, queries: str, params: dict[str, int], nq: int, threads: int, seconds: float
    ) -> Any:
        vectors = np.load(queries)
        batches = [vectors[start : start + nq] for start in range(0, len(vectors), nq)]
        requests = [_search(batch, params).SerializeToString() for batch in batches]
        call: Any = self._channel.unary_unary(SEARCH)
        _succeeded(milvus_pb2.SearchResults.FromString(call(requests[0])))
        timing = drive([partial(call, request) for request in requests], threads, seconds)
        return vars(timing)

    def stop(self) -> None:
        # One that is asked to stop may never end.
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _pairs(values: dict[str, Any]) -> list[Any]:
    return [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in values.items()]


def _insert(vectors: Any, first_id: int) -> Any:
    ids = range(first_id, first_id + len(vectors))
    dimension = vectors.shape[1]
    scalars = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=ids))
    floats = schema_pb2.FloatArray(data=vectors.ravel())
    return milvus_pb2.InsertRequest(
        collection_name=COLLECTION,
        num_rows=len(vectors),
        fields_data=[
            schema_pb2.FieldData(type=schema_pb2.Int64, field_name="id", scalars=scalars),
            schema_pb2.FieldData(
                type=schema_pb2.FloatVector,
                field_name="vector",
                vectors=schema_pb2.VectorField(dim=dimension, float_vector=floats),
            ),
        ],
    )


def _search(queries: Any, params: dict[str, int]) -> Any:
    value = common_pb2.PlaceholderValue(
        tag="$0",
        type=common_pb2.PlaceholderType.FloatVector,
        values=[query.tobytes() for query in queries],
    )
    group = common_pb2.PlaceholderGroup(placeholders=[value])
    how = {"anns_field": "vector", "topk": TOPK, "metric_type": "L2", "round_decimal": -1}
    return milvus_pb2.SearchRequest(
        collection_name=COLLECTION,
        placeholder_group=group.SerializeToString(),
        dsl_type=common_pb2.DslType.BoolExprV1,
        search_params=_pairs({**how, "params": json.dumps(params)}),
        nq=len(queries),
        guarantee_timestamp=1,
    )


def _succeeded(answer: Any) -> Any:
    status = getattr(answer, "status", answer)
    if status.code or status.error_code:
        raise RuntimeError(f"{type(answer).__name__}: {status.reason}")
    return answer


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not come about within 600 s")
        time.sleep(ASK_S)


def _rss_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def main() -> None:
    """Do what each line says, `{"do": …, other arguments}`, and answer with a line."""
    server = Server()
    try:
        for line in sys.stdin:
            arguments = json.loads(line)
            try:
                answer = getattr(server, arguments.pop("do"))(**arguments)
            except Exception as error:  # noqa: BLE001 - the parent is told
                answer = {"error": f"{type(error).__name__}: {error}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
