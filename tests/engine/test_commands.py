"""Cmd: the words of Milvus 1.1.1, and its configuration nodes."""

import json
import os
import resource
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]
INTERVAL = "storage.auto_flush_interval"
CACHE = "cache.cache_size"
PARTITIONS = "engine_config.max_partition_num"


def told(client: Milvus1, node: str) -> str:
    reply = client.command(f"get_config {node}")
    assert reply.status.error_code == pb.SUCCESS, reply.status.reason
    return reply.string_reply


def set_node(client: Milvus1, node: str, value: str) -> pb.Status:
    reply = client.command(f"set_config {node} {value}")
    assert reply.string_reply == ""
    return reply.status


@pytest.fixture
def unchanged(client: Milvus1) -> Iterator[Milvus1]:
    """The client of the module's engine, whose nodes are afterwards as they were."""
    nodes = (INTERVAL, PARTITIONS)
    before = {node: told(client, node) for node in nodes}
    yield client
    for node, value in before.items():
        set_node(client, node, value)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("version", "1.1.1"),
        ("build_commit_id", f"quiver-{version('quiver-operator')}"),
        ("status", "OK"),
        ("mode", "CPU"),
        ("tasktable", "[]"),
    ],
)
def test_commands(client: Milvus1, command: str, answer: str) -> None:
    """The version is that of Milvus, whole; the build says which Quiver it is."""
    reply = client.command(command)
    assert (reply.status.error_code, reply.string_reply) == (pb.SUCCESS, answer)


def test_memory_is_told_in_text(client: Milvus1) -> None:
    """`get_system_info` has the bytes of the machine and of the engine."""
    memory = json.loads(client.command("get_system_info").string_reply)
    assert 0 < int(memory["memory_used"]) < int(memory["memory_total"])


@pytest.mark.parametrize("text", ["sing", "", "Version", "version ", " version", "status now"])
def test_a_command_is_one_exact_word(client: Milvus1, text: str) -> None:
    """Any other text is no error and says that it is unknown, and what is known."""
    reply = client.command(text)
    assert reply.status.error_code == pb.SUCCESS
    assert reply.string_reply.startswith(f"Unknown command {text!r}")
    assert "tasktable" in reply.string_reply


@pytest.mark.parametrize(
    "text",
    [
        "get_config",
        "get_config ",
        f"get_config {INTERVAL} ",
        f"get_config  {INTERVAL}",
        "get_config storage",
        f"get_config {INTERVAL}\n",
        f"get_configs {INTERVAL}",
        "set_config",
        f"set_config {INTERVAL}",
        f"set_config {INTERVAL} 1 ",
        f"set_config {INTERVAL}  1",
        "set_config storage 1",
    ],
)
def test_a_sloppy_config_command_is_refused(client: Milvus1, text: str) -> None:
    """Code 1, as in Milvus; the reason says how it is written."""
    status = client.command(text).status
    assert status.error_code == pb.UNEXPECTED_ERROR
    assert status.reason.startswith(("Invalid command: ", "Config node invalid: "))


@pytest.mark.parametrize(
    "node",
    ["a.b", "cache_config.cpu_cache_capacity", "storage.", "cache.cpu_cache_threshold", "*.*"],
)
def test_what_is_no_node_here_is_refused(client: Milvus1, node: str) -> None:
    """Code 1 for reading and for setting: no value is made up for it."""
    for reply in (client.command(f"get_config {node}"), client.command(f"set_config {node} 1")):
        assert (reply.status.error_code, reply.string_reply) == (pb.UNEXPECTED_ERROR, "")
        assert reply.status.reason.startswith("Config node invalid: ")
        assert CACHE in reply.status.reason


def test_nodes_tell_what_is_true(engine: EngineProcess, client: Milvus1) -> None:
    """Address, paths, log, memory, limits and device of this very engine."""
    host, port = engine.grpc_address.split(":")
    memory = os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
    true = {
        "network.bind.address": host,
        "network.bind.port": port,
        "network.http.enable": "false",
        "storage.path": str(engine.data_dir.resolve()),
        INTERVAL: "1",
        "general.meta_uri": "sqlite://:@:/",
        "cache.insert_buffer_size": str(64 << 20),
        "cache.preload_collection": "",
        PARTITIONS: "4096",
        "engine_config.search_combine_nq": "19",
        "gpu.enable": "false",
        "wal.enable": "true",
        "logs.level": "info",
    }
    assert {node: told(client, node) for node in true} == true
    assert 0 < int(told(client, CACHE)) <= memory
    assert int(told(client, "engine_config.omp_thread_num")) >= 1
    assert list(Path(told(client, "wal.path")).glob("*.log"))


def test_all_nodes_come_by_their_parents(client: Milvus1) -> None:
    """`get_config *` is JSON of texts: what each node says by itself."""
    parents = json.loads(client.command("get_config *").string_reply)
    nodes = {f"{parent}.{child}" for parent, children in parents.items() for child in children}
    assert {"network.bind.port", "gpu.enable", "wal.enable", INTERVAL, CACHE} <= nodes
    for node in nodes:
        parent, _, child = node.partition(".")
        assert told(client, node) == parents[parent][child]


@pytest.mark.parametrize(
    ("node", "cure"),
    [
        ("storage.path", "--data-dir"),
        ("network.bind.port", "--listen"),
        ("gpu.enable", "--device"),
        ("wal.enable", "no other value"),
    ],
)
def test_what_cannot_change_is_refused(client: Milvus1, node: str, cure: str) -> None:
    """Code 1; the reason says what to do, and the value stays."""
    before = told(client, node)
    status = set_node(client, node, "1")
    assert status.error_code == pb.UNEXPECTED_ERROR
    assert status.reason.startswith(f"Config node invalid: {node!r}: it cannot be set: ")
    assert cure in status.reason
    assert told(client, node) == before


def test_the_flush_interval_is_seconds(unchanged: Milvus1) -> None:
    """Without automatic flushes rows are not seen; with them they are."""
    assert set_node(unchanged, INTERVAL, "0").error_code == pb.SUCCESS
    unchanged.create("seen")
    unchanged.insert("seen", [[0.0] * 4])
    assert (told(unchanged, INTERVAL), unchanged.count("seen")) == ("0", 0)
    assert set_node(unchanged, INTERVAL, "0000000000001").error_code == pb.SUCCESS
    wait_until(lambda: unchanged.count("seen") == 1, "the row is flushed", 10)
    assert set_node(unchanged, INTERVAL, "86400").error_code == pb.SUCCESS


@pytest.mark.parametrize("value", ["soon", "nines", "-1", "1.5", "٣", str(2**63)])
@pytest.mark.parametrize("node", [INTERVAL, PARTITIONS, CACHE])
def test_a_value_that_a_node_cannot_have_changes_nothing(
    client: Milvus1, node: str, value: str
) -> None:
    """Code 5, as in Milvus; the reason is short and says what can be given."""
    before = told(client, node)
    status = set_node(client, node, value.replace("nines", "9" * 5000))
    assert status.error_code == pb.ILLEGAL_ARGUMENT
    assert "give " in status.reason
    assert len(status.reason) < 400
    assert told(client, node) == before


def test_the_partitions_of_a_collection_can_be_limited(unchanged: Milvus1) -> None:
    """`engine_config.max_partition_num` counts those of one collection, without `_default`."""
    unchanged.create("tight")
    assert set_node(unchanged, PARTITIONS, "2").error_code == pb.SUCCESS
    codes = [unchanged.create_partition("tight", tag).error_code for tag in "abc"]
    assert codes == [pb.SUCCESS, pb.SUCCESS, pb.UNEXPECTED_ERROR]
    assert unchanged.create("elsewhere").error_code == pb.SUCCESS
    assert unchanged.create_partition("elsewhere", "a").error_code == pb.SUCCESS
    assert set_node(unchanged, PARTITIONS, "4097").error_code == pb.ILLEGAL_ARGUMENT


def held_bytes(process: EngineProcess) -> int:
    lines = process.get("/metrics")[1].splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("quiver_engine_memory_bytes "))
    return int(float(value))


def test_the_memory_of_searches_can_be_set(own_engine: EngineProcess, connect: Connect) -> None:
    """`cache.cache_size` evicts at once, is kept from then on, and reads as it was written."""
    own_engine.stop()
    client = connect(own_engine.start("--memory", "3Mi"))
    assert told(client, CACHE) == str(3 << 20)
    rows = np.random.default_rng(1).normal(size=(2 * 4096, 64)).astype(np.float32)
    client.create("c", dimension=64, index_file_size=1)
    for half in (range(4096), range(4096, 2 * 4096)):
        client.insert("c", rows[half], half)
        client.flush("c")

    def search() -> None:
        found = found_ids(client.search("c", rows[::500]))
        np.testing.assert_array_equal(found.ravel(), range(0, len(rows), 500))

    search()
    assert 3 << 20 > held_bytes(own_engine) > 2 << 20
    for value, size in (("1200000", 1_200_000), ("1200kb", 1200 << 10), ("3MB", 3 << 20)):
        assert set_node(client, CACHE, value).error_code == pb.SUCCESS
        assert told(client, CACHE) == value
        assert held_bytes(own_engine) <= size
        search()
        assert 0 < held_bytes(own_engine) <= size
    assert set_node(client, CACHE, "0").error_code == pb.ILLEGAL_ARGUMENT
    assert set_node(client, CACHE, "1000000g").error_code == pb.ILLEGAL_ARGUMENT
