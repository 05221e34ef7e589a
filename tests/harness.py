"""Runs the whole operator in a test's loop, against a real API server and a real engine."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import yaml

from localcluster import ControlPlane
from quiver.adapters.clock import SystemClock
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.adapters.pem import OpenSslPem
from quiver.app import Operator, Outside, Settings
from quiver.control.observe.metrics import Metrics
from quiver.domain.access import Target
from quiver.domain.addresses import AddressPolicy
from quiver.domain.objects import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import NameNotResolved, NotFound
from quiver.ports.names import Names

INSTALL = Path(__file__).parents[1] / "manifests" / "install.yaml"
SYSTEM = "quiver-system"
DEADLINE_S = 90.0
"""Generous: a StatefulSet that replaces a pod which no node took has been seen to need over 30."""
Settled = Callable[[Manifest], bool]


def install(control_plane: ControlPlane) -> Path:
    """Install Quiver without its Deployment, since tests run operators of their own.

    Returns the kubeconfig of the operator's service account, with the rights that it has there.
    """
    installed = [m for m in yaml.safe_load_all(INSTALL.read_text()) if m["kind"] != "Deployment"]
    control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(installed))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    return control_plane.service_account_kubeconfig(SYSTEM, "quiver")


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator["AdminApi"]:
    configuration = await load_configuration({"KUBECONFIG": str(kubeconfig)})
    async with AdminApi(Connection(configuration, Metrics())) as client:
        yield client


LOOPBACK = AddressPolicy(allow=(IPv4Network("127.0.0.0/8"),))
"""Engines of tests listen on loopback addresses, which nobody dials by default."""


class FakeNames:
    """Implements `quiver.ports.names.Names`: the addresses of names as a test gives them."""

    def __init__(self) -> None:
        self.addresses: dict[str, tuple[str, ...]] = {}

    async def addresses_of(self, host: str) -> tuple[IPv4Address | IPv6Address, ...]:
        if host not in self.addresses:
            raise NameNotResolved(f"{host}: its name cannot be resolved: there is none such")
        return tuple(map(ip_address, self.addresses[host]))


@asynccontextmanager
async def running(
    api: Any, engines: Engines, *, names: Names | None = None, **settings: Any
) -> AsyncIterator[Operator]:
    """Run an operator; on leaving, end it where it stands, as a killed process ends."""
    names = names or FakeNames()
    outside = Outside(api=api, engines=engines, names=names, pem=OpenSslPem(), clock=SystemClock())
    defaults = {"resync_period": 600, "namespace": SYSTEM, "addresses": LOOPBACK}
    operator = Operator(outside, Settings(**{**defaults, **settings}))
    task = asyncio.create_task(operator.run())
    try:
        yield operator
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_reconciled(operator: Operator, at_least: int) -> None:
    """Wait until `at_least` reconciles have ended and none is left to do."""
    value = operator.metrics.registry.get_sample_value
    kinds = ("vectorcollection", "vectorengine")

    def total(metric: str, label: str, **labels: str) -> float:
        return sum(value(metric, {label: kind, **labels}) or 0 for kind in kinds)

    async def holds() -> bool:
        ended = total("controller_runtime_reconcile_total", "controller", result="success")
        waiting = total("workqueue_depth", "name")
        active = total("controller_runtime_active_workers", "controller")
        return ended >= at_least and waiting == active == 0

    await eventually(holds, f"{at_least} objects are reconciled")


async def eventually(
    holds: Callable[[], Awaitable[Any]], what: str, deadline_s: float = DEADLINE_S
) -> Any:
    """Return the first true answer of `holds`; the error names what did not come about."""
    end = time.monotonic() + deadline_s
    while True:
        answer = await holds()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline_s:g} s")
        await asyncio.sleep(0.03)


class AdminApi(KubernetesClient):
    """The operator's own client, and the deletions that the operator never asks for."""

    async def delete(self, kind: Kind, key: Key, uid: str | None = None) -> None:
        if uid is not None:
            await super().delete(kind, key, uid)
            return
        root = f"/apis/{kind.group}" if kind.group else "/api"
        path = f"{root}/{kind.version}/namespaces/{key.namespace}/{kind.plural}/{key.name}"
        await self._call("DELETE", path)

    async def delete_namespace(self, name: str) -> None:
        await self._call("DELETE", f"/api/v1/namespaces/{name}")

    async def has_namespace(self, name: str) -> bool:
        try:
            await self._call("GET", f"/api/v1/namespaces/{name}")
        except NotFound:
            return False
        return True


@dataclass
class World:
    """A namespace of a real API server, with an engine process that its VectorEngine points to.

    `api` is an administrator's client, `operator_api` has the operator's rights and no others. The
    VectorEngine is in the namespace itself unless `engine_namespace` is given.
    """

    namespace: str
    api: AdminApi
    operator_api: AdminApi
    engines: Engines
    address: str
    engine_namespace: str | None = None

    @property
    def engine(self) -> EngineClient:
        return self.engines.at(Target(self.address, "Quiver"))

    async def create_collection(self, name: str, **spec: Any) -> Manifest:
        reference = {"name": "engine"}
        if self.engine_namespace is not None:
            reference["namespace"] = self.engine_namespace
        body = {"engineRef": reference, "dimension": 8, **spec}
        return await self.create(VECTOR_COLLECTION, name, body)

    async def create(self, kind: Kind, name: str, spec: Manifest, **metadata: Any) -> Manifest:
        manifest = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
            "spec": spec,
        }
        return await self.api.create(kind, manifest)

    async def get(self, name: str, kind: Kind = VECTOR_COLLECTION) -> Manifest:
        return await self.api.get(kind, Key(self.namespace, name))

    async def find(self, name: str, kind: Kind = VECTOR_COLLECTION) -> Manifest | None:
        try:
            return await self.get(name, kind)
        except NotFound:
            return None

    async def patch(self, name: str, patch: Manifest, kind: Kind = VECTOR_COLLECTION) -> Manifest:
        return await self.api.patch(kind, Key(self.namespace, name), patch)

    async def delete(self, name: str, kind: Kind = VECTOR_COLLECTION) -> None:
        await self.api.delete(kind, Key(self.namespace, name))

    async def settled(self, name: str, reason: str, kind: Kind = VECTOR_COLLECTION) -> Manifest:
        """Wait until the object's Ready condition says `reason` of its present generation."""

        async def holds() -> Manifest | None:
            manifest = await self.get(name, kind)
            current = manifest["metadata"]["generation"]
            said = ready_condition(manifest)
            told = said.get("reason") == reason and said.get("observedGeneration") == current
            return manifest if told else None

        found: Manifest = await eventually(holds, f"{kind.kind} {name} says {reason}")
        return found

    async def says(self, name: str, reason: str, *words: str) -> Manifest:
        """Wait until the object says `reason`, in a message that holds all of `words`."""
        manifest = await self.settled(name, reason)
        message = ready_condition(manifest)["message"]
        assert [word for word in words if word not in message] == [], message
        return manifest

    async def look_now(self, name: str) -> None:
        """Ask the operator to look at the object, as a person does."""
        value = uuid.uuid4().hex
        await self.patch(name, {"metadata": {"annotations": {"quiver.dev/reconcile": value}}})

    async def settled_engine(self, name: str = "engine") -> Manifest:
        return await self.settled(name, "Available", VECTOR_ENGINE)

    async def ready(self, *names: str) -> list[Manifest]:
        return [await self.settled(name, "Available") for name in names]

    async def gone(
        self, name: str, kind: Kind = VECTOR_COLLECTION, deadline_s: float = DEADLINE_S
    ) -> None:
        async def holds() -> bool:
            return await self.find(name, kind) is None

        await eventually(holds, f"{kind.kind} {name} is gone", deadline_s)

    async def told(self, name: str, reason: str) -> Manifest:
        """Wait for an event about the object, and return the first: it follows the status."""

        async def holds() -> list[Manifest]:
            return await self.events(name, reason)

        found: list[Manifest] = await eventually(holds, f"an event tells of {name}: {reason}")
        return found[0]

    async def events(self, name: str, reason: str) -> list[Manifest]:
        listing = await self.api.list(EVENT)
        return [
            event
            for event in listing.items
            if event["metadata"]["namespace"] == self.namespace
            and event["regarding"]["name"] == name
            and event["reason"] == reason
        ]


EVENT = Kind("events.k8s.io", "v1", "events", "Event")


def types(manifest: Manifest) -> set[str]:
    """Return the types of the object's conditions."""
    return {condition["type"] for condition in manifest["status"]["conditions"]}


def ready_condition(manifest: Manifest) -> dict[str, Any]:
    conditions = manifest.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})


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
    CHANGES = frozenset({"create", "drop", "create_partition", "drop_partition", "set_index"})

    def __init__(self, client: EngineClient, power: Any) -> None:
        self._client = client
        self._power = power

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name not in self.CHANGES:
            return call

        async def step(what: Any, *arguments: Any) -> Any:
            return await self._power.step(name, call(what, *arguments), getattr(what, "name", what))

        return step
