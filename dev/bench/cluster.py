"""What benchmarks put into a cluster, and how they wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench.processes import Operator
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Kind, Manifest

NAMESPACE = "default"
ENGINE = "bench"
CRDS = Path(__file__).parents[2] / "crds"
COLLECTIONS = f"/apis/quiver.dev/v1alpha1/namespaces/{NAMESPACE}/vectorcollections"
OPERATOR = "quiver-operator"
CONCURRENCY = 16
DIMENSION = 128
DEADLINE_S = 600


async def until(holds: Callable[[], Awaitable[bool]], deadline_s: float = DEADLINE_S) -> None:
    async with asyncio.timeout(deadline_s):
        while not await holds():  # noqa: ASYNC110 - what it waits for happens in other processes
            await asyncio.sleep(0.1)


async def quiet(operator: Operator) -> float:
    """Return the time from the start until the process uses next to no CPU for a second."""
    begun, cpu, still_since = time.monotonic(), operator.cpu_s, time.monotonic()
    while time.monotonic() - still_since < 1:
        await asyncio.sleep(0.1)
        if operator.cpu_s - cpu > 0.02:
            cpu, still_since = operator.cpu_s, time.monotonic()
    return still_since - begun


async def each(names: Sequence[str], do: Callable[[str], Awaitable[object]]) -> None:
    """Do it for each of the names, in their order, a few at a time."""
    waiting = iter(names)

    async def work() -> None:
        for name in waiting:
            await do(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(work())


def is_ready(manifest: Manifest) -> bool:
    conditions = manifest.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def schema_of(name: str) -> CollectionSchema:
    return CollectionSchema(
        name=name.replace("-", "_"), dimension=DIMENSION, index_file_size=1024, metric_type="L2"
    )


def collection(name: str, namespace: str = NAMESPACE, engine: str = ENGINE) -> Manifest:
    reference = {"name": engine, "namespace": NAMESPACE}
    return manifest_of(
        VECTOR_COLLECTION, namespace, name, {"engineRef": reference, "dimension": DIMENSION}
    )


def external_engine(addresses: Sequence[str], name: str = ENGINE) -> Manifest:
    """Return a VectorEngine that takes collections of every namespace."""
    spec = {
        "type": "Quiver",
        "external": {"endpoints": list(addresses)},
        "allowedNamespaces": {"from": "All"},
    }
    return manifest_of(VECTOR_ENGINE, NAMESPACE, name, spec)


def manifest_of(kind: Kind, namespace: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
