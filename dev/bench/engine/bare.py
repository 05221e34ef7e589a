"""The least that a server in Python can do: answer with bytes that were made beforehand.

A process of its own. Of an Insert it copies the bytes and appends them to a file first.
"""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import grpc
import numpy as np

from quiver_engine.files.insert_log import Durability
from quiver_proto import milvus_pb2 as pb

_OPTIONS = [("grpc.max_receive_message_length", -1)]
_SERVICE = "milvus.grpc.MilvusService"


class BareServer:
    """Answers Insert and Search at `address` until the end of the context."""

    def __init__(self, path: Path, durability: Durability, results: int) -> None:
        """`path` is the file that grows, `results` how many ids each answer has."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, path, durability, results))
        self._process.start()
        self.address: str = ours.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(pipe: Connection, path: Path, durability: Durability, results: int) -> None:
    status, ids = pb.Status(reason="OK"), range(results)
    answer = pb.VectorIds(status=status, vector_id_array=ids).SerializeToString()
    found = pb.TopKQueryResult(status=status, row_num=1, ids=ids, distances=ids).SerializeToString()
    with path.open("ab", buffering=0) as file:

        def insert(raw: bytes, _: grpc.ServicerContext) -> bytes:
            file.write(np.frombuffer(raw, np.uint8).copy().data)
            if durability is Durability.FSYNC:
                os.fsync(file.fileno())
            return answer

        methods: dict[str, Any] = {
            "Insert": grpc.unary_unary_rpc_method_handler(insert),
            "Search": grpc.unary_unary_rpc_method_handler(lambda _, __: found),
        }
        handlers = grpc.method_handlers_generic_handler(_SERVICE, methods)
        server = grpc.server(ThreadPoolExecutor(1), [handlers], options=_OPTIONS)
        pipe.send(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        server.start()
        server.wait_for_termination()
