"""The operator is killed after each of its steps in turn; the next one ends where an undisturbed
one would have.
"""

from typing import Any

import msgspec

from support.interruptions import Power, essence, steps_of, until_cut
from support.namespaces import Namespace
from support.operators import running

CREATE = ["patch object", "create", "create_partition", "create_partition", "patch status"]
DELETE = ["drop", "patch object"]
UPDATE = ["create_partition", "drop_partition", "patch status"]
PARTITIONS = ["a", "b"]


async def on_engine(world: Namespace, name: str) -> Any:
    found = await world.engine.describe(name)
    if found is None:
        return None
    return msgspec.structs.replace(found, schema=msgspec.structs.replace(found.schema, name=""))


async def undisturbed(world: Namespace) -> Namespace:
    """Let an operator settle the VectorEngine, so that its writes are no part of what follows."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
    return world


async def test_a_create_survives_a_crash_after_each_step(world: Namespace) -> None:
    """Claim, collection, partitions, status: killed after any of them, the end is the same."""
    await undisturbed(world)
    await world.create_collection("whole", partitions=PARTITIONS)
    assert await steps_of(world, world.ready("whole")) == CREATE
    expected, collection = essence(await world.get("whole")), await on_engine(world, "whole")
    for done in range(len(CREATE)):
        name = f"cut{done}"
        await world.create_collection(name, partitions=PARTITIONS)
        await until_cut(world, Power(after=done))
        async with running(world.operator_api, world.engines):
            (manifest,) = await world.ready(name)
        assert essence(manifest) == expected, f"killed after {CREATE[:done]}"
        assert await on_engine(world, name) == collection, f"killed after {CREATE[:done]}"


async def test_an_update_survives_a_crash_after_each_step(world: Namespace) -> None:
    """Partitions are added and removed: killed after any step, the end is the same."""
    await undisturbed(world)
    names = ["whole", *(f"cut{done}" for done in range(len(UPDATE)))]
    async with running(world.operator_api, world.engines):
        for name in names:
            await world.create_collection(name, partitions=PARTITIONS)
        await world.ready(*names)
    change = {"spec": {"partitions": ["b", "c"]}}
    await world.patch("whole", change)
    assert await steps_of(world, world.ready("whole")) == UPDATE
    expected, collection = essence(await world.get("whole")), await on_engine(world, "whole")
    for done, name in enumerate(names[1:]):
        await world.patch(name, change)
        await until_cut(world, Power(after=done))
        async with running(world.operator_api, world.engines):
            (manifest,) = await world.ready(name)
        assert essence(manifest) == expected, f"killed after {UPDATE[:done]}"
        assert await on_engine(world, name) == collection, f"killed after {UPDATE[:done]}"


async def test_a_delete_survives_a_crash_after_each_step(world: Namespace) -> None:
    """Drop, then let go: killed before either, collection and object are gone in the end."""
    await undisturbed(world)
    names = ["whole", *(f"cut{done}" for done in range(len(DELETE)))]
    async with running(world.operator_api, world.engines):
        for name in names:
            await world.create_collection(name, partitions=PARTITIONS)
        await world.ready(*names)
    await world.delete("whole")
    assert await steps_of(world, world.gone("whole")) == DELETE
    for done, name in enumerate(names[1:]):
        await world.delete(name)
        await until_cut(world, Power(after=done))
        assert await world.find(name) is not None
        async with running(world.operator_api, world.engines):
            await world.gone(name)
        assert await world.engine.describe(name) is None, f"killed after {DELETE[:done]}"
