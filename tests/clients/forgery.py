"""A tenant that writes what is the operator's to write, and what must be left of it."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from harness import AdminApi, World, eventually, ready_condition, types
from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER
from quiver.domain.objects import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.ports.errors import ApiRefused, NotFound

ADOPTING = {"adoptionPolicy": "IfIdentical", "deletionPolicy": "Delete"}
"""What somebody says who wants to have, and then to drop, what is there."""


@dataclass(frozen=True)
class Tenant:
    """Who has the cluster role `edit` in a namespace of its own, and nothing else."""

    namespace: str
    api: AdminApi

    def at(self, world: World) -> World:
        """Return the tenant's namespace, whose collections are to be on the engine of `world`."""
        engine_namespace = world.engine_namespace or world.namespace
        return replace(
            world, namespace=self.namespace, api=self.api, engine_namespace=engine_namespace
        )

    async def has_rights(self) -> bool:
        """Tell whether the API server knows of the tenant's rights yet."""
        try:
            await self.api.get(VECTOR_COLLECTION, Key(self.namespace, "none"))
        except NotFound:
            return True
        except ApiRefused:
            return False
        raise AssertionError("there is no such object")

    async def with_engine(self, world: World, endpoint: str) -> World:
        """Return the tenant's namespace with an external engine of its own at the endpoint."""
        own = replace(world, namespace=self.namespace, api=self.api, engine_namespace=None)
        await own.create(VECTOR_ENGINE, "engine", {"external": {"endpoints": [endpoint]}})
        return own

    async def with_elder_engine(self, world: World, endpoint: str) -> World:
        """Do the same before the world's own engine: that is made anew, and younger."""
        spec = (await world.get("engine", VECTOR_ENGINE))["spec"]
        await world.delete("engine", VECTOR_ENGINE)
        own = await self.with_engine(world, endpoint)
        await is_the_elder(own, "engine", VECTOR_ENGINE)
        await world.create(VECTOR_ENGINE, "engine", spec)
        return own


def claimed_by(manifest: Manifest, victim: Manifest, **fields: Any) -> Manifest:
    """Return a claim to what `victim` claims, with the uid of `manifest`."""
    return {**victim["status"]["claim"], "objectUID": manifest["metadata"]["uid"], **fields}


async def forge(thief: World, name: str, victim: Manifest, **fields: Any) -> None:
    """Write a claim to what `victim` claims onto the thief's object, as its annotation, with the
    finalizer and with the signature of the victim's own claim.
    """
    signed = json.loads(victim["metadata"]["annotations"][CLAIM_ANNOTATION])
    claim = {**signed, **claimed_by(await thief.get(name), victim, **fields)}
    await annotate(thief, name, json.dumps(claim))


async def annotate(thief: World, name: str, claim: str) -> None:
    """Write annotation and finalizer, as soon as the API server has forgotten the policy."""
    metadata = {"annotations": {CLAIM_ANNOTATION: claim}, "finalizers": [FINALIZER]}

    async def is_written() -> bool:
        try:
            await thief.patch(name, {"metadata": metadata})
        except ApiRefused:
            return False
        return True

    await eventually(is_written, f"{name} has the annotation")


async def put_status_claim(admin: World, name: str, claim: Manifest | None) -> None:
    """Write a claim into the status, as an administrator does who restores a cluster."""
    await patch_status(admin, name, {"claim": claim})


async def patch_status(admin: World, name: str, status: Manifest) -> None:
    key = Key(admin.namespace, name)
    await admin.api.patch(VECTOR_COLLECTION, key, {"status": status}, subresource="status")


async def engine_is_looked_at(world: World) -> Manifest:
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


async def take_away(world: World, *names: str) -> None:
    """Delete the objects, and wait until the operator has let them go."""
    for name in names:
        await world.delete(name)
    for name in names:
        await world.gone(name)


async def answered(world: World, name: str) -> str:
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


async def told(world: World, name: str, *reasons: str) -> str:
    """Wait until the object says one of the reasons, of its present generation; return which."""
    _, reason = await first_told(world, [name], *reasons)
    return reason


async def first_told(world: World, names: Sequence[str], *reasons: str) -> tuple[str, str]:
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


async def is_the_elder(world: World, name: str, kind: Kind = VECTOR_COLLECTION) -> None:
    """Wait until whatever is created from now on is younger than the object, by full seconds."""
    created = (await world.get(name, kind))["metadata"]["creationTimestamp"]

    async def holds() -> bool:
        return datetime.now(UTC) - datetime.fromisoformat(created) >= timedelta(seconds=1)

    await eventually(holds, f"{name} is older than what is new")


async def all_say(world: World, names: Sequence[str], reason: str) -> None:
    for name in names:
        await world.settled(name, reason)


class Forwarder:
    """Another address of a server: whatever comes in goes there, and back."""

    def __init__(self) -> None:
        self._to = "", 0
        self._open: set[asyncio.Task[None]] = set()

    def lead_to(self, address: str) -> None:
        """Have connections end at the server of this HOST:PORT from now on."""
        host, _, port = address.rpartition(":")
        self._to = host, int(port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError):
            there, back = await asyncio.open_connection(*self._to)
            with closing(back):
                await asyncio.gather(_copied(reader, back), _copied(there, writer))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(2**16):
        writer.write(some)
        await writer.drain()
    writer.close()
