"""Hostile and broken messages, all calls in random order, against an engine that holds rows.

`make fuzz` runs it longer: `FUZZ_SECONDS=600 make fuzz`; a seed it prints is taken again with
`FUZZ_SEED=`.
"""

import os
import secrets
import time
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from machine.engine_process import EngineProcess
from quiver_engine.model import MIB
from quiver_proto import milvus_pb2 as pb
from support.hostile_messages import METHODS, calls
from support.milvus1_client import Milvus1, found_ids

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
ANSWER_S = 30.0
ROOM = 700 * MIB
EXAMPLES = 200 if SECONDS else 40
ROWS = np.random.default_rng(7).normal(size=(5000, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def held(engine: EngineProcess, client: Milvus1) -> Milvus1:
    """Collections that the calls are about, and `oracle`, which none of them names."""
    fill(client, "oracle")
    check(engine, client)
    return client


def fill(client: Milvus1, name: str) -> None:
    client.create(name, dimension=4)
    client.create_partition(name, "p")
    client.insert(name, ROWS, range(5000))
    client.insert(name, ROWS[:9], range(9), "p")
    client.flush(name)


def fill_bits(client: Milvus1, name: str) -> None:
    client.create(name, dimension=32, metric_type=4)
    client.insert(name, np.ascontiguousarray(ROWS[:, 0]).view(np.uint8).reshape(-1, 4), range(5000))
    client.create_index(name, 2, '{"nlist": 8}')


def refill(client: Milvus1) -> None:
    """Bring back what calls have dropped."""
    gone = {"floats", "indexed", "bits"} - set(client.collections())
    for name in gone - {"bits"}:
        fill(client, name)
    if "indexed" in gone:
        client.create_index("indexed", 2, '{"nlist": 8}')
    if "bits" in gone:
        fill_bits(client, "bits")


def status_of(rpc: str, answer: bytes) -> pb.Status:
    reply = GetMessageClass(METHODS[rpc].output_type).FromString(answer)
    return reply if isinstance(reply, pb.Status) else reply.status


def send(client: Milvus1, rpc: str, raw: bytes) -> None:
    call = client.channel.unary_unary(f"/milvus.grpc.MilvusService/{rpc}")
    try:
        reason = status_of(rpc, call(raw, timeout=ANSWER_S)).reason
    except grpc.RpcError as error:
        pytest.fail(f"{rpc} answered {error} to {raw!r}")
    assert "a fault of the engine" not in reason, (rpc, raw)


def check(engine: EngineProcess, client: Milvus1) -> None:
    """Hold the engine against what must be true of it whatever it was sent."""
    found = found_ids(client.search("oracle", ROWS[::100], tags=["_default"]))
    np.testing.assert_array_equal(found.ravel(), range(0, 5000, 100))
    assert client.count("oracle") == 5009
    log = engine.log.read_text()
    assert "Traceback" not in log, log[-5000:]
    assert engine.status_bytes("VmHWM") < ROOM


FEW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def seeds() -> Iterator[int]:
    """Return one seed, or random ones for as long as FUZZ_SECONDS says."""
    yield int(os.environ.get("FUZZ_SEED", "1"))
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        yield secrets.randbits(32)


def test_no_message_brings_the_engine_down(engine: EngineProcess, held: Milvus1) -> None:
    """Every call answers in time with a code, nothing is a fault of the engine, others' rows stay.

    Memory stays bounded.
    """
    for number in seeds():
        print(f"FUZZ_SEED={number}")  # noqa: T201 - to run it again

        @seed(number)
        @FEW
        @given(st.lists(calls(), min_size=6, max_size=6))
        def fuzz(some: list[tuple[str, bytes]]) -> None:
            refill(held)
            for rpc, raw in some:
                send(held, rpc, raw)

        fuzz()
        check(engine, held)
