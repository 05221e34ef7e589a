"""A storm of collections: how fast the operator is, beside the least that the work takes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import Engine, Operator
from localcluster import ControlPlane
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.control.metrics import Metrics
from quiver.domain.collections import CollectionSchema
from quiver.domain.objects import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest

NAMESPACE = "default"
CRDS = Path(__file__).parents[1] / "crds"
COLLECTIONS = f"/apis/quiver.dev/v1alpha1/namespaces/{NAMESPACE}/vectorcollections"
OPERATOR = "quiver-operator"
CONCURRENCY = 16
DEADLINE_S = 600


@dataclass
class Figures:
    """Seconds, MiB, and API writes for each collection by phase."""

    collections: int
    floor_s: float = 0.0
    create_s: float = 0.0
    restart_s: float = 0.0
    delete_s: float = 0.0
    peak_rss_mib: float = 0.0
    cpu_ms: float = 0.0
    writes: dict[str, float] = field(default_factory=dict)


@dataclass
class Bench:
    control_plane: ControlPlane
    directory: Path
    api: KubernetesClient
    engine: Engine
    figures: Figures

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        before = operator_writes(self.control_plane)
        yield
        await asyncio.sleep(1)  # the audit log is written in batches
        made = operator_writes(self.control_plane) - before
        self.figures.writes[name] = made / self.figures.collections

    def start_operator(self) -> Operator:
        kubeconfig = self.control_plane.kubeconfig_for(OPERATOR, ["system:masters"])
        return Operator(kubeconfig, self.directory / "operator.log")


async def measure(control_plane: ControlPlane, directory: Path, count: int) -> Figures:
    control_plane.kubectl("apply", "-f", str(CRDS))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    engine = Engine(directory)
    try:
        configuration = await load_configuration({"KUBECONFIG": str(control_plane.kubeconfig)})
        async with KubernetesClient(Connection(configuration, Metrics())) as api:
            bench = Bench(control_plane, directory, api, engine, Figures(count))
            await run(bench)
            return bench.figures
    finally:
        engine.stop()


async def run(bench: Bench) -> None:
    await bench.api.create(VECTOR_ENGINE, external_engine(bench.engine.address))
    bench.figures.floor_s = await floor(bench)
    operator = bench.start_operator()
    try:
        async with bench.phase("created"):
            bench.figures.create_s = await create(bench, operator)
    finally:
        operator.stop()
    operator = bench.start_operator()
    try:
        async with bench.phase("restarted"):
            bench.figures.restart_s = await quiet(operator)
        async with bench.phase("deleted"):
            bench.figures.delete_s = await delete(bench)
        bench.figures.peak_rss_mib = max(bench.figures.peak_rss_mib, operator.peak_rss_mib)
    finally:
        operator.stop()


async def floor(bench: Bench) -> float:
    """Return the time of the same work without an operator: two PATCHes and the engine's calls."""
    names = [f"floor-{n}" for n in range(bench.figures.collections)]
    await each(names, lambda name: bench.api.create(VECTOR_COLLECTION, collection(name)))
    engines = Milvus1Engines()
    client = engines.at(bench.engine.address)

    async def bring_about(name: str) -> None:
        key, schema = Key(NAMESPACE, name), schema_of(name)
        await client.describe(schema.name)
        note = {"metadata": {"annotations": {"quiver.dev/claim": "x" * 160}}}
        await bench.api.patch(VECTOR_COLLECTION, key, note)
        await client.create(schema)
        status = {"status": {"observedGeneration": 1, "collectionName": schema.name}}
        await bench.api.patch(VECTOR_COLLECTION, key, status, subresource="status")

    begun = time.monotonic()
    await each(names, bring_about)
    took = time.monotonic() - begun
    await each(names, lambda name: client.drop(schema_of(name).name))
    await engines.close()
    bench.control_plane.kubectl("delete", "--raw", COLLECTIONS)
    return took


async def create(bench: Bench, operator: Operator) -> float:
    await ready(bench, 0)
    names = [f"storm-{n}" for n in range(bench.figures.collections)]
    cpu, begun = operator.cpu_s, time.monotonic()
    await each(names, lambda name: bench.api.create(VECTOR_COLLECTION, collection(name)))
    await ready(bench, len(names))
    took = time.monotonic() - begun
    bench.figures.cpu_ms = (operator.cpu_s - cpu) * 1000 / len(names)
    bench.figures.peak_rss_mib = operator.peak_rss_mib
    return took


async def ready(bench: Bench, count: int) -> None:
    """Wait until the engine and `count` collections are Ready."""

    async def holds() -> bool:
        engines = (await bench.api.list(VECTOR_ENGINE)).items
        found = (await bench.api.list(VECTOR_COLLECTION)).items
        return all(map(is_ready, engines)) and sum(map(is_ready, found)) >= count

    await until(holds)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await holds():  # noqa: ASYNC110 - what it waits for happens in other processes
            await asyncio.sleep(0.2)


async def quiet(operator: Operator) -> float:
    """Return the time from the start until the process uses next to no CPU for a second."""
    begun, cpu, still_since = time.monotonic(), operator.cpu_s, time.monotonic()
    while time.monotonic() - still_since < 1:
        await asyncio.sleep(0.1)
        if operator.cpu_s - cpu > 0.02:
            cpu, still_since = operator.cpu_s, time.monotonic()
    return still_since - begun


async def delete(bench: Bench) -> float:
    """Delete all collections with one request; return the time until the last one is gone."""
    begun = time.monotonic()
    bench.control_plane.kubectl("delete", "--raw", COLLECTIONS)

    async def are_gone() -> bool:
        return not (await bench.api.list(VECTOR_COLLECTION)).items

    await until(are_gone)
    return time.monotonic() - begun


async def each(names: list[str], do: Callable[[str], Awaitable[object]]) -> None:
    turns = asyncio.Semaphore(CONCURRENCY)

    async def one(name: str) -> None:
        async with turns:
            await do(name)

    await asyncio.gather(*map(one, names))


def operator_writes(control_plane: ControlPlane) -> int:
    assert control_plane.audit_log is not None
    return sum(map(is_operator_write, control_plane.audit_log.read_text().splitlines()))


def is_operator_write(line: str) -> bool:
    entry = json.loads(line)
    return (
        entry["user"]["username"] == OPERATOR
        and entry["verb"] in {"create", "patch", "update", "delete"}
        and entry["objectRef"]["resource"] == VECTOR_COLLECTION.plural
    )


def is_ready(manifest: Manifest) -> bool:
    conditions = manifest.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def schema_of(name: str) -> CollectionSchema:
    collection_name = name.replace("-", "_")
    return CollectionSchema(
        name=collection_name, dimension=128, index_file_size=1024, metric_type="L2"
    )


def collection(name: str) -> Manifest:
    spec = {"engineRef": {"name": "bench"}, "dimension": 128}
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def external_engine(address: str) -> Manifest:
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorEngine",
        "metadata": {"name": "bench", "namespace": NAMESPACE},
        "spec": {"type": "Quiver", "external": {"endpoints": [address]}},
    }
