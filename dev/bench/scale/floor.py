"""The least that the work takes: the same calls by a bare loop, with the same concurrency."""

import time
from collections.abc import Sequence

from bench.cluster import NAMESPACE, collection, each, schema_of
from bench.scale.figures import Floor
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import EVENT, VECTOR_COLLECTION, Key, Manifest
from quiver.ports.engines import EngineClient

CLAIM = "x" * 200


async def floor(api: KubernetesClient, addresses: Sequence[str], names: Sequence[str]) -> Floor:
    """Measure it. The objects are left; their collections are dropped."""
    engines, figures = Milvus1Engines(), Floor()
    clients = [engines.at(Target(address, "Quiver")) for address in addresses]
    client_of = {name: clients[n % len(clients)] for n, name in enumerate(names)}
    begun = time.monotonic()
    await each(names, lambda name: api.create(VECTOR_COLLECTION, collection(name)))
    figures.apply_s = time.monotonic() - begun
    begun, cpu = time.monotonic(), time.process_time()
    await each(names, lambda name: bring_about(api, client_of[name], name))
    figures.work_s = time.monotonic() - begun
    begun = time.monotonic()
    await each(names, lambda name: api.create(EVENT, event(name)))
    figures.events_s = time.monotonic() - begun
    figures.cpu_ms = 1000 * (time.process_time() - cpu) / len(names)
    await each(names, lambda name: client_of[name].drop(schema_of(name).name))
    await engines.close()
    return figures


async def bring_about(api: KubernetesClient, client: EngineClient, name: str) -> None:
    key, schema = Key(NAMESPACE, name), schema_of(name)
    await client.describe(schema.name)
    note = {"metadata": {"annotations": {"quiver.dev/claim": CLAIM}}}
    await api.patch(VECTOR_COLLECTION, key, note)
    await client.create(schema)
    await api.patch(VECTOR_COLLECTION, key, {"status": status(schema.name)}, subresource="status")


def status(collection_name: str) -> Manifest:
    """Return a status of the size of a real one, which says Ready of nothing."""
    condition = {
        "type": "Reconciling",
        "status": "False",
        "reason": "Available",
        "message": f"Collection {collection_name!r} is on 127.0.0.1:19530.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    return {
        "observedGeneration": 1,
        "collectionName": collection_name,
        "origin": "Created",
        "placement": {"endpoint": "127.0.0.1:19530"},
        "conditions": [condition],
    }


def event(name: str) -> Manifest:
    return {
        "metadata": {"name": f"{name}.floor", "namespace": NAMESPACE},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reason": "Created",
        "action": "Create",
        "note": f"Created collection {name!r}.",
        "reportingController": "quiver.dev/floor",
        "reportingInstance": "floor",
        "regarding": {
            "apiVersion": VECTOR_COLLECTION.api_version,
            "kind": VECTOR_COLLECTION.kind,
            "namespace": NAMESPACE,
            "name": name,
        },
    }
