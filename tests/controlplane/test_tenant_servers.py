"""Which server a collection is on: one that keeps its data is the same, another is another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from machine.engine_process import EngineProcess
from quiver.domain.claims import claim_of
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from support.answers import take_away
from support.milvus1_client import Milvus1
from support.namespaces import Namespace
from support.operators import running

ROWS = 3


def fill(client: Milvus1, *names: str) -> None:
    for name in names:
        client.insert(name, [[1.0] * 8] * ROWS)
    client.flush(*names)


async def made(world: Namespace, client: Milvus1, *names: str) -> list[Manifest]:
    """Make the collections, with vectors."""
    for name in names:
        await world.create_collection(name)
    manifests = await world.ready(*names)
    fill(client, *names)
    return manifests


async def test_an_engine_made_anew_over_its_data_has_its_collections(
    world: Namespace, client: Milvus1
) -> None:
    """The VectorEngine is deleted and applied again: collections are found with their vectors, and
    are dropped with their objects as ever.
    """
    async with running(world.operator_api, world.engines):
        (before, _) = await made(world, client, "docs", "more")
        spec = (await world.get("engine", VECTOR_ENGINE))["spec"]
        await world.give_up_engine()
        await world.settled("docs", "EngineNotFound")
        engine = await world.create(VECTOR_ENGINE, "engine", spec)
        (after, _) = await world.ready("docs", "more")
        assert client.count("docs") == client.count("more") == ROWS
        assert await world.events("docs", "Recreated") == []
        kept, now = claim_of(before), claim_of(after)
        assert kept is not None
        assert now is not None
        assert now.server == kept.server
        assert now.engine_uid == engine["metadata"]["uid"]
        await take_away(world, "more")
    assert client.collections() == ["docs"]


@pytest.fixture
def another(engine_process: EngineProcess, tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine with data of its own that will listen where the world's engine does."""
    another = EngineProcess(tmp_path / "another")
    another.grpc_address = engine_process.grpc_address
    another.http_address = engine_process.http_address
    yield another
    another.kill()


async def test_another_engine_at_the_address_keeps_what_it_has(
    world: Namespace, client: Milvus1, engine_process: EngineProcess, another: EngineProcess
) -> None:
    """Of two objects one finds its name taken there and says so, and one finds it free and makes
    its collection anew; when the first goes, nothing of the other engine's is dropped.
    """
    async with running(world.operator_api, world.engines):
        await made(world, client, "docs", "more")
        engine_process.stop()
        another.start()
        theirs = Milvus1(world.address)
        assert theirs.create("docs", dimension=8).error_code == 0
        fill(theirs, "docs")
        for name in ("docs", "more"):
            await world.look_now(name)
        await world.told("more", "Recreated")
        await world.says("docs", "AlreadyExists", "is another server now")
        await world.ready("more")
        await take_away(world, "docs")
        assert sorted(theirs.collections()) == ["docs", "more"]
        assert theirs.count("docs") == ROWS
        theirs.close()


async def test_what_goes_while_another_engine_is_there_is_left(
    world: Namespace, client: Milvus1, engine_process: EngineProcess, another: EngineProcess
) -> None:
    """Deleted before anybody has looked again, the object goes and an event tells why it left the
    collection; the engine that comes back still has it.
    """
    async with running(world.operator_api, world.engines):
        await made(world, client, "docs")
        engine_process.stop()
        another.start()
        theirs = Milvus1(world.address)
        assert theirs.create("docs", dimension=8).error_code == 0
        await take_away(world, "docs")
        note = (await world.told("docs", "Left"))["note"]
        assert "another server than the one it was made on" in note
        assert theirs.collections() == ["docs"]
        theirs.close()
    another.stop()
    engine_process.start()
    assert client.count("docs") == ROWS
