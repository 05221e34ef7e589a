"""Waiting for what the operator says of objects."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Kind, Manifest
from support.namespaces import Namespace, ready_condition, types
from support.waiting import eventually


async def engine_is_looked_at(world: Namespace) -> Manifest:
    """Change the world's engine in what does not matter, and wait until the operator has seen that
    and all that came before it.
    """
    generation = (await world.get("engine", VECTOR_ENGINE))["metadata"]["generation"]
    limits = {"maxCollectionsAndPartitions": 4000 + generation}
    changed = await world.patch("engine", {"spec": {"limits": limits}}, VECTOR_ENGINE)

    async def holds() -> Manifest | None:
        engine = await world.get("engine", VECTOR_ENGINE)
        seen = engine.get("status", {}).get("observedGeneration", 0)
        return engine if seen >= changed["metadata"]["generation"] else None

    found: Manifest = await eventually(holds, "the engine is looked at")
    return found


async def take_away(world: Namespace, *names: str) -> None:
    """Delete the objects, and wait until the operator has let them go."""
    for name in names:
        await world.delete(name)
    for name in names:
        await world.gone(name)


async def answered(world: Namespace, name: str) -> str:
    """Wait until the object is Ready, or tells what somebody would have to change; return the
    reason.
    """

    async def holds() -> str | None:
        manifest = await world.get(name)
        said = ready_condition(manifest)
        if said.get("observedGeneration") != manifest["metadata"]["generation"]:
            return None
        is_final = said["status"] == "True" or "Stalled" in types(manifest)
        return said["reason"] if is_final or "cannot be used" in said["message"] else None

    reason: str = await eventually(holds, f"{name} is answered")
    return reason


async def told(world: Namespace, name: str, *reasons: str) -> str:
    """Wait until the object says one of the reasons, of its present generation; return which."""
    _, reason = await first_told(world, [name], *reasons)
    return reason


async def first_told(world: Namespace, names: Sequence[str], *reasons: str) -> tuple[str, str]:
    """Wait until one of the objects says one of the reasons; return its name and which."""

    async def holds() -> tuple[str, str] | None:
        for name in names:
            manifest = await world.get(name)
            said = ready_condition(manifest)
            current = said.get("observedGeneration") == manifest["metadata"]["generation"]
            if current and said["reason"] in reasons:
                return name, said["reason"]
        return None

    found: tuple[str, str] = await eventually(holds, f"one of {names} says one of {reasons}")
    return found


async def is_the_elder(world: Namespace, name: str, kind: Kind = VECTOR_COLLECTION) -> None:
    """Wait until whatever is created from now on is younger than the object, by full seconds."""
    created = (await world.get(name, kind))["metadata"]["creationTimestamp"]

    async def holds() -> bool:
        return datetime.now(UTC) - datetime.fromisoformat(created) >= timedelta(seconds=1)

    await eventually(holds, f"{name} is older than what is new")


async def all_say(world: Namespace, names: Sequence[str], reason: str) -> None:
    for name in names:
        await world.settled(name, reason)
