"""The operator is killed after each of its steps in turn; the next one ends where an undisturbed
one would have: on a real engine with partitions, and on one in memory with all that there is.
"""

import asyncio
from typing import Any

import msgspec
import pytest

from support.interruptions import Power, Powers, essence, powered, steps_of, until_cut
from support.namespaces import Namespace
from support.operators import running
from support.reconcile_cases import CASES, apply_change, finished, outcome, prepare

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


@pytest.mark.parametrize("what", CASES)
async def test_a_crash_after_any_write_changes_nothing_in_the_end(
    fake_world: Namespace, what: str
) -> None:
    """Killed after the k-th write, for every k, it has a successor that comes to the same end."""
    world, case = fake_world, CASES[what]
    cuts: dict[str, int | None] = {f"cut{number}": number for number in range(len(case.steps))}
    await prepare(world, case, ["whole", *cuts])
    powers = Powers(whole=None, **cuts)
    async with powered(world, powers):
        for name in ("whole", *cuts):
            await apply_change(world, case, name)
        for name in cuts:
            await asyncio.wait_for(powers.of[name].out.wait(), 30)
        await finished(world, case, "whole")
    assert powers.of["whole"].steps == case.steps
    expected = await outcome(world, "whole")
    async with running(world.operator_api, world.engines):
        for name in cuts:
            await finished(world, case, name)
    for name, number in cuts.items():
        assert powers.of[name].steps == case.steps[:number]
        assert await outcome(world, name) == expected, f"killed after {case.steps[:number]}"
