"""The engine port against a real engine."""

import asyncio
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from machine.engine_process import EngineProcess
from quiver.adapters.grpc.calls import Deadlines
from quiver.adapters.grpc.channels import MOST_CHANNELS, Channels
from quiver.adapters.milvus1.answers import BoundedStub
from quiver.adapters.milvus1.driver import Milvus1Client, Milvus1Engines
from quiver.adapters.milvus1.indexes import Builds
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused, EngineUnreachable
from support.waiting import eventually


@pytest.fixture
def member(engines: Milvus1Engines, engine_process: EngineProcess) -> EngineClient:
    return engines.at(Target(engine_process.grpc_address, "Quiver"))


@pytest.fixture
def schema() -> CollectionSchema:
    name = f"c_{uuid.uuid4().hex[:8]}"
    return CollectionSchema(name=name, dimension=8, index_file_size=64, metric_type="IP")


async def test_a_collection_is_described_as_it_was_created(
    member: EngineClient, schema: CollectionSchema
) -> None:
    """Every field comes back, and the default partition is not among the partitions."""
    await member.create(schema)
    await member.create_partition(schema.name, "2024")
    found = await member.describe(schema.name)
    assert found is not None
    assert (found.schema, found.partitions) == (schema, frozenset({"2024"}))
    assert schema.name in await member.list_collections()


async def test_metrics_have_names(member: EngineClient, schema: CollectionSchema) -> None:
    """People see names where the wire has numbers."""
    await member.create(schema)
    found = await member.describe(schema.name)
    assert found is not None
    assert found.schema.metric_type == "IP"
    hamming = CollectionSchema(
        name=f"{schema.name}_h", dimension=8, index_file_size=64, metric_type="HAMMING"
    )
    await member.create(hamming)
    found = await member.describe(hamming.name)
    assert found is not None
    assert found.schema == hamming


async def test_what_is_not_there_is_none(member: EngineClient) -> None:
    """A collection that does not exist is an answer, not an error."""
    assert await member.describe("missing") is None


async def test_dropping_twice_is_dropping(member: EngineClient, schema: CollectionSchema) -> None:
    """What is gone already, collection or partition, is done."""
    await member.create(schema)
    await member.create_partition(schema.name, "2024")
    for _ in range(2):
        await member.drop_partition(schema.name, "2024")
    for _ in range(2):
        await member.drop(schema.name)
    await member.drop_partition(schema.name, "2024")
    assert await member.describe(schema.name) is None


async def test_a_refusal_has_the_protocols_code(
    member: EngineClient, schema: CollectionSchema
) -> None:
    """Creating what exists, and dropping what cannot be dropped, are refused with a reason."""
    await member.create(schema)
    with pytest.raises(EngineRefused) as refused:
        await member.create(schema)
    assert refused.value.code == "ILLEGAL_COLLECTION_NAME"
    with pytest.raises(EngineRefused):
        await member.create_partition(schema.name, "_default")


async def test_the_version_is_what_milvus_clients_expect(member: EngineClient) -> None:
    """An engine calls itself 1.1.something."""
    assert (await member.version()).startswith("1.1.")


async def test_nobody_there_is_said_at_once(engines: Milvus1Engines) -> None:
    """A refused connection is named, without waiting for the deadline."""
    async with asyncio.timeout(3):
        with pytest.raises(EngineUnreachable, match=r":1 cannot be reached: connection"):
            await engines.at(Target("127.0.0.1:1", "Quiver")).list_collections()


async def test_silence_ends_at_the_deadline(silent: str) -> None:
    """A server that takes the connection and says nothing is given up, and dialled anew later."""
    channels = Channels(BoundedStub)
    client = Milvus1Client(channels, Target(silent, "Quiver"), Builds(), Deadlines(read=0.2))
    with pytest.raises(EngineUnreachable, match=silent):
        await client.list_collections()
    assert len(channels) == 0
    await channels.close()


async def test_a_restarted_engine_is_found_again(
    engines: Milvus1Engines, engine_process: EngineProcess
) -> None:
    """An engine that was away answers within seconds of its return."""
    member = engines.at(Target(engine_process.grpc_address, "Quiver"))
    await member.version()
    engine_process.kill()
    with pytest.raises(EngineUnreachable):
        await member.version()
    engine_process.start()

    async def answers() -> bool:
        with suppress(EngineUnreachable):
            return bool(await member.version())
        return False

    await eventually(answers, "the engine is reached again", 10)


async def test_a_request_arrives_soon_or_never(
    member: EngineClient, engine_process: EngineProcess
) -> None:
    """A drop that was given up on while the network was cut must not hit what has the name later:
    the kernel stops sending it well before the call's deadline.
    """
    await member.version()
    timeouts = [
        connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        for connection in connections_to(engine_process.grpc_address)
    ]
    assert timeouts
    assert all(0 < timeout <= 4000 for timeout in timeouts)


def connections_to(address: str) -> Iterator[socket.socket]:
    """Yield the test's own TCP connections to HOST:PORT."""
    for connection in psutil.Process().net_connections("tcp"):
        # One that another test has left is closed behind our back.
        if not connection.raddr or connection.status != psutil.CONN_ESTABLISHED:
            continue
        host, port = connection.raddr
        if f"{host.removeprefix('::ffff:')}:{port}" == address:
            with socket.socket(fileno=os.dup(connection.fd)) as found:
                yield found


async def test_idle_connections_are_closed(engine_process: EngineProcess) -> None:
    """An address that nobody uses any more keeps no connection."""
    channels = Channels(BoundedStub, idle=1.0)
    await Milvus1Client(channels, Target(engine_process.grpc_address, "Quiver"), Builds()).version()
    assert len(channels) == 1
    await eventually(lambda: not len(channels), "the connection is closed", 10)
    await channels.close()


async def test_a_dead_address_keeps_no_connection() -> None:
    """A channel that cannot connect would go on trying by itself."""
    channels = Channels(BoundedStub)
    with pytest.raises(EngineUnreachable):
        await Milvus1Client(channels, Target("127.0.0.1:1", "Quiver"), Builds()).version()
    assert len(channels) == 0
    await channels.close()


async def test_connections_are_of_a_bounded_number(engine_process: EngineProcess) -> None:
    """Of those that are too many, the one whose last use is the longest ago is closed."""
    channels = Channels(BoundedStub)
    targets = [
        Target(engine_process.grpc_address, "Quiver", authority=f"{number}.example.org:19530")
        for number in range(MOST_CHANNELS + 1)
    ]
    oldest, *others = (channels.stub(target) for target in targets[:-1])
    assert channels.stub(targets[0]) is oldest
    channels.stub(targets[-1])
    assert len(channels) == MOST_CHANNELS
    assert channels.stub(targets[0]) is oldest
    assert channels.stub(targets[1]) is not others[0]
    await channels.close()


async def test_a_closed_connection_is_no_cancellation(engine_process: EngineProcess) -> None:
    """A call whose connection is closed under it fails as unreachable; the task that made it lives
    on.
    """
    channels = Channels(BoundedStub)
    client = Milvus1Client(channels, Target(engine_process.grpc_address, "Quiver"), Builds())
    await client.version()
    call = asyncio.create_task(client.version())
    await asyncio.sleep(0)
    await channels.close()
    try:
        await call
    except EngineUnreachable as error:
        assert "was closed" in str(error)  # noqa: PT017 - the call may also have been faster
    assert not call.cancelled()
