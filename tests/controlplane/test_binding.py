"""The Secret that tells an application how its collection is reached."""

import base64
from typing import Any

from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Manifest
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.waiting import eventually


def binding(name: str | None) -> Manifest:
    return {"binding": None if name is None else {"secretName": name}}


def entries(secret: Manifest) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


async def make_secret(world: Namespace, name: str) -> Manifest:
    """Make a Secret that is nobody's of Quiver."""
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": world.namespace},
        "stringData": {"password": "theirs"},
    }
    return await world.api.create(SECRET, manifest)


async def secret_changed(world: Namespace, name: str, **expected: Any) -> None:
    async def holds() -> bool:
        found = await world.find(name, SECRET)
        return found is not None and entries(found) == expected

    await eventually(holds, f"Secret {name} holds {expected}")


async def test_a_binding_is_published_as_the_convention_says(fake_world: Namespace) -> None:
    """The Secret has type and entries of servicebinding.io, and the object owns it."""
    world = fake_world
    host, _, port = world.address.rpartition(":")
    async with running(world.operator_api, world.engines):
        await world.create_collection("my-docs", **binding("docs-binding"))
        (ready,) = await world.ready("my-docs")
    assert ready["status"]["binding"] == {"name": "docs-binding"}
    secret = await world.get("docs-binding", SECRET)
    assert secret["type"] == "servicebinding.io/milvus"
    assert entries(secret) == {
        "type": "milvus",
        "provider": "quiver",
        "host": host,
        "port": port,
        "collection": "my_docs",
    }
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("VectorCollection", ready["metadata"]["uid"])


async def test_a_binding_is_renamed_and_taken_away(fake_world: Namespace) -> None:
    """The old Secret goes when the new one is there, and the last one when none is asked for."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **binding("old"))
        await world.ready("docs")
        await world.patch("docs", {"spec": binding("new")})
        (ready,) = await world.ready("docs")
        assert ready["status"]["binding"] == {"name": "new"}
        assert await world.find("old", SECRET) is None
        assert await world.find("new", SECRET) is not None
        await world.patch("docs", {"spec": binding(None)})
        (ready,) = await world.ready("docs")
        assert "binding" not in ready["status"]
        assert await world.find("new", SECRET) is None


async def test_a_secret_of_somebody_else_is_left_alone(fake_world: Namespace) -> None:
    """The object names it, and is Ready once it is out of the way."""
    world = fake_world
    before = await make_secret(world, "theirs")
    async with running(world.operator_api, world.engines, resync_period=1):
        await world.create_collection("docs", **binding("theirs"))
        stalled = await world.says("docs", "BindingConflict", "'theirs'")
        assert types(stalled) == {"Ready", "Stalled"}
        assert await world.get("theirs", SECRET) == before
        assert await world.engine.describe("docs") is not None
        await world.delete("theirs", SECRET)
        await world.ready("docs")
        assert entries(await world.get("theirs", SECRET))["collection"] == "docs"


async def test_a_rename_to_a_secret_of_somebody_else_keeps_the_old_one(
    fake_world: Namespace,
) -> None:
    """Applications that use the old one go on; taking the binding away removes ours alone."""
    world = fake_world
    before = await make_secret(world, "theirs")
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **binding("ours"))
        await world.ready("docs")
        await world.patch("docs", {"spec": binding("theirs")})
        await world.settled("docs", "BindingConflict")
        assert await world.find("ours", SECRET) is not None
        await world.patch("docs", {"spec": binding(None)})
        await world.ready("docs")
        assert await world.find("ours", SECRET) is None
    assert await world.get("theirs", SECRET) == before


async def test_two_objects_do_not_share_a_secret(fake_world: Namespace) -> None:
    """What one of Quiver's objects publishes is not another's either."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("first", **binding("shared"))
        await world.ready("first")
        await world.create_collection("second", **binding("shared"))
        await world.says("second", "BindingConflict", "'shared'")
    assert entries(await world.get("shared", SECRET))["collection"] == "first"


async def test_a_binding_that_was_changed_or_deleted_is_repaired(fake_world: Namespace) -> None:
    """What the Secret should say it says again once the operator looks; other entries stay."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **binding("docs"))
        await world.ready("docs")
        right = entries(await world.get("docs", SECRET))
        wrong = {"stringData": {"host": "elsewhere", "extra": "theirs"}}
        await world.patch("docs", wrong, SECRET)
        await world.look_now("docs")
        await secret_changed(world, "docs", **right, extra="theirs")
        await world.delete("docs", SECRET)
        await world.look_now("docs")
        await secret_changed(world, "docs", **right)


async def test_a_binding_goes_with_its_object(fake_world: Namespace) -> None:
    """The garbage collector takes it, though the collection itself is retained."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **binding("docs"), deletionPolicy="Retain")
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
        await world.gone("docs", SECRET)
    assert await world.engine.list_collections() == {"docs"}


async def test_a_guests_binding_is_in_its_own_namespace(
    world: Namespace, neighbour: Namespace
) -> None:
    """It tells where the engine is and no credentials; the engine's namespace gets no Secret."""
    await world.patch("engine", {"spec": {"allowedNamespaces": {"from": "All"}}}, VECTOR_ENGINE)
    async with running(world.operator_api, world.engines):
        await neighbour.create_collection("docs", **binding("docs"))
        await neighbour.ready("docs")
    told = entries(await neighbour.get("docs", SECRET))
    assert f"{told['host']}:{told['port']}" == world.address
    assert set(told) == {"type", "provider", "host", "port", "collection"}
    assert await world.find("docs", SECRET) is None


async def test_a_binding_waits_for_its_collection(fake_world: Namespace) -> None:
    """Nothing is published of a collection that is not there."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", engineRef={"name": "none"}, **binding("docs"))
        waiting = await world.settled("docs", "EngineNotFound")
        assert "binding" not in waiting["status"]
        assert ready_condition(waiting)["status"] == "False"
    assert await world.find("docs", SECRET) is None
