"""The least that a server in Python can do with an Insert: copy its bytes and append them.

A process of its own: one gRPC call in, bytes on disk, an answer out that was made beforehand.
"""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import grpc
import numpy as np

from quiver_engine.insert_log import Durability
from quiver_proto import milvus_pb2 as pb

_OPTIONS = [("grpc.max_receive_message_length", -1)]
_SERVICE = "milvus.grpc.MilvusService"


class BareServer:
    """Answers Insert at `address` until the end of the context."""

    def __init__(self, path: Path, durability: Durability, rows: int) -> None:
        """`path` is the file that grows, `rows` how many ids each answer has."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, path, durability, rows))
        self._process.start()
        self.address: str = ours.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(pipe: Connection, path: Path, durability: Durability, rows: int) -> None:
    status = pb.Status(reason="OK")
    answer = pb.VectorIds(status=status, vector_id_array=range(rows)).SerializeToString()
    with path.open("ab", buffering=0) as file:

        def insert(raw: bytes, _: grpc.ServicerContext) -> bytes:
            file.write(np.frombuffer(raw, np.uint8).copy().data)
            if durability is Durability.FSYNC:
                os.fsync(file.fileno())
            return answer

        handler: Any = grpc.unary_unary_rpc_method_handler(insert)
        handlers = grpc.method_handlers_generic_handler(_SERVICE, {"Insert": handler})
        server = grpc.server(ThreadPoolExecutor(1), [handlers], options=_OPTIONS)
        pipe.send(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        server.start()
        server.wait_for_termination()
