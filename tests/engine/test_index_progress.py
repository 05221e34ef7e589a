"""ShowCollectionInfo tells what is left to build, and why a build failed."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.index_kinds import clustered
from support.milvus1_client import Milvus1
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]

SLOW = (11, json.dumps({"M": 64, "efConstruction": 512}))


def index_build(client: Milvus1, name: str) -> Any:
    asked = pb.CollectionName(collection_name=name)
    return json.loads(client.stub.ShowCollectionInfo(asked).json_info)["index_build"]


def test_segments_that_wait_for_their_index_are_counted(client: Milvus1) -> None:
    """From CreateIndex on until the last one has it, whether or not a client waits."""
    rows = clustered(20_000, 64)
    client.create("counted", dimension=64)
    client.insert("counted", rows, range(len(rows)))
    assert index_build(client, "counted") is None
    with pytest.raises(grpc.RpcError):
        client.create_index("counted", *SLOW, timeout=0.5)
    wait_until(
        lambda: index_build(client, "counted") == {"waiting": 1, "failure": None}, "one waits"
    )
    wait_until(lambda: index_build(client, "counted") is None, "it is built")
    assert client.index_names("counted") == ["HNSW"]


def test_segments_that_get_no_index_do_not_wait(client: Milvus1) -> None:
    """Small ones, and those that grow since CreateIndex and are not full."""
    rows = clustered(5000, 8)
    client.create("growing", dimension=8)
    client.insert("growing", rows[:100])
    client.create_index("growing", 2, '{"nlist": 16}')
    assert index_build(client, "growing") is None
    client.insert("growing", rows)
    client.flush("growing")
    assert "IDMAP" in client.index_names("growing")
    assert index_build(client, "growing") is None


def test_why_a_build_failed_is_told_until_it_is_built(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Also after a restart of the engine; once there is room, the index is built."""
    own_engine.stop()
    client = connect(own_engine.start("--memory", "1000000"))
    client.create("big", dimension=64)
    client.insert("big", clustered(5000, 64))
    assert client.create_index("big", 2, '{"nlist": 16}').error_code == pb.BUILD_INDEX_ERROR
    assert "takes 1.3 MiB" in index_build(client, "big")["failure"]
    own_engine.stop()
    client = connect(own_engine.start("--memory", "1000000"))
    wait_until(lambda: index_build(client, "big")["failure"], "it is told again")
    own_engine.stop()
    client = connect(own_engine.start())
    wait_until(lambda: index_build(client, "big") is None, "it is built")
    assert client.index_names("big") == ["IVFFLAT"]
