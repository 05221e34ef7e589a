"""How collections and partitions are brought into memory, and taken out of it."""

import grpc
import pytest

from quiver.ports.engines import EngineClient, Loads
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import loads_of
from support.scripted_milvus import At, ScriptedMilvus, refusal, refused

UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


async def test_a_server_that_changes_the_number_of_copies_in_place_does(
    server: ScriptedMilvus, loads: Loads
) -> None:
    """So from Milvus 2.4.13 on: the collection is searched all the while."""
    await loads.load("docs", 2)
    assert server.methods == ["LoadCollection"]


async def test_an_older_server_releases_before_it_loads_another_number(
    server: ScriptedMilvus, loads: Loads
) -> None:
    """Its refusal does not say so: the number that is loaded does."""
    server.tells["LoadCollection"] = [refusal(1100, "can't change the replica number"), pb.Status()]
    await loads.load("docs", 2)
    assert server.methods == ["LoadCollection", "ReleaseCollection", "LoadCollection"]


async def test_copies_that_there_is_no_room_for_leave_the_collection_loaded(
    server: ScriptedMilvus, at: At
) -> None:
    """It gets back what it had, and the same is not tried again soon."""
    no_nodes = refusal(65535, "nodes not enough")
    no_change = refusal(1100, "can't change the replica number")
    server.tells["LoadCollection"] = [no_change, no_nodes, pb.Status(), no_change]
    for _ in range(2):
        assert (await refused(loads_of(at()).load("docs", 2))).reason == "nodes not enough"
    numbers = [request.replica_number for request in server.requests("LoadCollection")]
    assert numbers == [2, 2, 1, 2]
    assert server.methods.count("ReleaseCollection") == 1


@pytest.mark.parametrize("status", [refusal(8, old=49), refusal(1, old=56), refusal(3, old=52)])
async def test_a_load_that_may_pass_releases_nothing(
    server: ScriptedMilvus, loads: Loads, status: pb.Status
) -> None:
    """A server that is busy says nothing of the number."""
    server.tells["LoadCollection"] = status
    assert (await refused(loads.load("docs", 2))).retriable
    assert server.methods == ["LoadCollection"]


async def test_a_server_that_tells_no_copies_is_believed_to_have_some(
    server: ScriptedMilvus, loads: Loads
) -> None:
    """The number is unknown, and the collection is loaded."""
    server.tells["GetReplicas"] = UNIMPLEMENTED
    load = await loads.describe_load("docs")
    assert (load.state, load.replicas) == ("Loaded", None)


async def test_a_partition_in_memory_is_released_by_itself(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """Or not at all, where the server cannot: it then drops a partition that is in memory."""
    steps = ["ReleasePartitions", "DropPartition"]
    await client.drop_partition("docs", "2024")
    assert server.methods == steps
    server.tells["ReleasePartitions"] = UNIMPLEMENTED
    await client.drop_partition("docs", "2024")
    assert server.methods == [*steps, *steps]


async def test_another_number_while_it_is_loading_is_worth_another_try(
    server: ScriptedMilvus, loads: Loads
) -> None:
    """How many copies are loading, the server does not say."""
    server.tells["LoadCollection"] = refusal(1100, "can't change the replica number")
    server.tells["GetLoadState"] = pb.GetLoadStateResponse(state=pb.LOADING)
    assert (await refused(loads.load("docs", 2))).retriable
    assert server.methods == ["LoadCollection"]
