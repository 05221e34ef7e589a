"""What goes wrong between the operator and the world: it is killed, shown the past, or not told."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from harness import Power, PoweredApi, PoweredEngines, World, eventually, running
from quiver.app import Operator
from quiver.domain.objects import VECTOR_COLLECTION, Key, Kind, Manifest
from quiver.ports.api import Listing

MANY = {"workers": 32, "workers_per_engine": 32}
"""Workers, since each object that the operator is cut off from keeps one waiting."""


class Powers:
    """A power for each object of the names given: an operator is cut off from them one by one.

    What is called NAME-SOMETHING belongs to the object NAME.
    """

    def __init__(self, **after: int | None) -> None:
        """Each object's operator is cut off after as many steps; None: never."""
        self.of = {name: Power(after=steps) for name, steps in after.items()}

    async def step(self, name: str, call: Awaitable[Any], of: str) -> Any:
        return await self.of[of.partition("-")[0]].step(name, call, of)


def powered(world: World, power: Power | Powers) -> AbstractAsyncContextManager[Operator]:
    """Run an operator whose steps in the world `power` counts, and cuts off."""
    api = PoweredApi(world.operator_api, power, world.namespace)
    engines = PoweredEngines(world.engines, power, world.address)
    return running(api, engines, **MANY)


async def until_cut(world: World, power: Power) -> None:
    """Run an operator until its power is out, or else until it has nothing left to do."""
    async with powered(world, power):
        await asyncio.wait_for(power.out.wait(), 30)


async def steps_of(world: World, until: Any) -> list[str]:
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


async def looked(operator: Operator, times: int = 1) -> None:
    """Wait until the operator has looked at collections as often, whatever came of it."""
    metric = "controller_runtime_reconcile_time_seconds_count"
    labels = {"controller": "vectorcollection"}

    async def holds() -> bool:
        return (operator.metrics.registry.get_sample_value(metric, labels) or 0) >= times

    await eventually(holds, f"the operator has looked {times} times")


class PastApi:
    """An API client that lists the collections of a namespace as they were, until it is `over`.

    The other kinds, and what others have of this one, are listed as they are.
    """

    def __init__(self, world: World, past: Listing) -> None:
        self.over = False
        self._api = world.operator_api
        self._namespace = world.namespace
        self._past = [m for m in past.items if m["metadata"]["namespace"] == world.namespace]
        self._version = past.version

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def list(self, kind: Kind, selector: str = "") -> Listing:
        listing = await self._api.list(kind, selector)
        if kind != VECTOR_COLLECTION or self.over:
            return listing
        others = [m for m in listing.items if m["metadata"]["namespace"] != self._namespace]
        return Listing([*others, *self._past], self._version)


class Feed:
    """What an operator's watch brings: events of chosen objects are lost, or held back.

    Lists, and the answers to the operator's own writes, come through.
    """

    def __init__(self, operator: Operator, chosen: Callable[[Kind, Key], bool]) -> None:
        self._cache = operator.cache
        self._chosen = chosen
        self._listing = False
        self._versions: set[str] = set()
        self._latest: dict[tuple[Kind, Key], Callable[[], None]] = {}
        self._put, self._remove = operator.cache.put, operator.cache.remove
        self._replace = operator.cache.replace
        operator.cache.put = self.put  # type: ignore[method-assign]
        operator.cache.remove = self.remove  # type: ignore[method-assign]
        operator.cache.replace = self.replace  # type: ignore[method-assign]

    def put(self, kind: Kind, manifest: Manifest, *, ours: bool = False) -> None:
        self._versions.add(manifest["metadata"]["resourceVersion"])
        self._pass(kind, Key.of(manifest), lambda: self._put(kind, manifest, ours=ours), ours)

    def remove(self, kind: Kind, key: Key, uid: str, *, ours: bool = False) -> None:
        self._pass(kind, key, lambda: self._remove(kind, key, uid, ours=ours), ours)

    def replace(self, *arguments: Any) -> None:
        self._listing = True
        try:
            self._replace(*arguments)
        finally:
            self._listing = False

    def release(self) -> None:
        """Bring the last event of each object, as if all before it had been folded into it; hold
        nothing back from now on.
        """
        self._chosen = lambda _kind, _key: False
        for event in self._latest.values():
            event()

    async def holds(self, manifest: Manifest) -> None:
        """Wait until an event of this version of the object is being held back."""

        async def has_come() -> bool:
            return manifest["metadata"]["resourceVersion"] in self._versions

        await eventually(has_come, "the event has come")

    def _pass(self, kind: Kind, key: Key, event: Callable[[], None], ours: bool) -> None:
        if ours or self._listing or not self._chosen(kind, key):
            event()
        else:
            self._latest[kind, key] = event
