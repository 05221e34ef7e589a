"""Cuts an operator off from the outside after a number of steps, as if it had been killed there."""

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.app import Operator
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from quiver.ports.engines import Engines
from support.namespaces import Namespace
from support.operators import running

MANY: dict[str, Any] = {"workers": 64, "workers_per_namespace": 32, "workers_per_engine": 32}
"""Workers, since each object that the operator is cut off from keeps one waiting."""


@dataclass
class Power:
    """Cuts an operator off after a number of steps: it has done them, and learns nothing more.

    A step is a call that changes something outside. After the cut every call hangs, as those of a
    killed process do not return.
    """

    after: int | None = None
    steps: list[str] = field(default_factory=list)
    out: asyncio.Event = field(default_factory=asyncio.Event)

    async def step(self, name: str, call: Awaitable[Any], _of: str) -> Any:
        await self.last_for_ever_if_out(call)
        if self.after == len(self.steps):
            self.out.set()
            await self.last_for_ever_if_out(call)
        answer = await call
        self.steps.append(name)
        return answer

    async def last_for_ever_if_out(self, call: Awaitable[Any]) -> None:
        if self.out.is_set():
            if asyncio.iscoroutine(call):
                call.close()
            await asyncio.Event().wait()


class Powers:
    """A power for each object of the names given: an operator is cut off from them one by one.

    What is called NAME-SOMETHING belongs to the object NAME.
    """

    def __init__(self, **after: int | None) -> None:
        """Each object's operator is cut off after as many steps; None: never."""
        self.of = {name: Power(after=steps) for name, steps in after.items()}

    async def step(self, name: str, call: Awaitable[Any], of: str) -> Any:
        return await self.of[of.partition("-")[0]].step(name, call, of)


class PoweredApi:
    """An API client whose writes to one namespace are steps; events are not, since nothing depends
    on them.
    """

    def __init__(self, api: KubernetesClient, power: Any, namespace: str) -> None:
        self._api = api
        self._power = power
        self._namespace = namespace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def patch(self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = "") -> Any:
        call = self._api.patch(kind, key, patch, subresource=subresource)
        return await self._step(key, f"patch {subresource or 'object'}", call)

    async def apply(self, kind: Kind, manifest: Manifest) -> Any:
        call = self._api.apply(kind, manifest)
        return await self._step(Key.of(manifest), f"apply {kind.kind}", call)

    async def delete(self, kind: Kind, key: Key, uid: str) -> Any:
        return await self._step(key, f"delete {kind.kind}", self._api.delete(kind, key, uid))

    async def _step(self, key: Key, name: str, call: Awaitable[Any]) -> Any:
        if key.namespace != self._namespace:
            return await call
        return await self._power.step(name, call, key.name)


class PoweredEngines:
    """Engines of which one address has changing calls that are steps."""

    def __init__(self, engines: Engines, power: Any, address: str) -> None:
        self._engines = engines
        self._power = power
        self._address = address

    def at(self, target: Target) -> Any:
        client = self._engines.at(target)
        is_powered = target.address == self._address
        return _PoweredEngine(client, self._power) if is_powered else client


class _PoweredEngine:
    CHANGES = frozenset(
        {
            *("create", "drop", "create_partition", "drop_partition", "set_index"),
            *("load", "release", "alter_properties", "create_database"),
            *("set_field_index", "drop_field_index", "add_field", "alter_field"),
            *("add_function", "alter_function"),
        }
    )
    PARTS = ("loads", "fields")
    """What only some engines do, each as a client of its own; None for the others."""

    def __init__(self, client: Any, power: Any) -> None:
        self._client = client
        self._power = power

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name in self.PARTS and call is not None:
            return _PoweredEngine(call, self._power)
        if name not in self.CHANGES:
            return call

        async def step(what: Any, *arguments: Any, **more: Any) -> Any:
            of = getattr(what, "name", what)
            return await self._power.step(name, call(what, *arguments, **more), of)

        return step


def powered(world: Namespace, power: Power | Powers) -> AbstractAsyncContextManager[Operator]:
    """Run an operator whose steps in the world `power` counts, and cuts off."""
    api = PoweredApi(world.operator_api, power, world.namespace)
    engines = PoweredEngines(world.engines, power, world.address)
    return running(api, engines, **MANY)


async def until_cut(world: Namespace, power: Power) -> None:
    """Run an operator until its power is out, or else until it has nothing left to do."""
    async with powered(world, power):
        await asyncio.wait_for(power.out.wait(), 30)


async def steps_of(world: Namespace, until: Any) -> list[str]:
    """Return the steps of an undisturbed run that ends when `until` does."""
    power = Power()
    async with powered(world, power):
        await until
    return power.steps


def essence(manifest: Manifest) -> Manifest:
    """Return what two objects of the same spec must have in common once all is done."""
    status = {**manifest["status"]}
    for volatile in ("claim", "collectionName"):
        status.pop(volatile, None)
    status["conditions"] = [
        {key: c[key] for key in ("type", "status", "reason", "observedGeneration")}
        for c in status["conditions"]
    ]
    return {"finalizers": manifest["metadata"]["finalizers"], "status": status}
