"""The least that the work takes: the same calls by a bare loop, with the same concurrency."""

import asyncio
import time
from collections.abc import Sequence

from bench.cluster import NAMESPACE, each
from bench.milvus.collections import INDEX, collection, schema_of
from bench.scale.floor import CLAIM, event, status
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.milvus.driver import MilvusEngines
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import EVENT, VECTOR_COLLECTION, Key
from quiver.ports.engines import EngineClient, Loads

POLL_S = 0.2
"""Whoever polls more often slows Milvus down."""


async def floor(
    api: KubernetesClient, address: str, names: Sequence[str], *, loaded: bool
) -> float:
    """Return the seconds that all takes. The objects are left; their collections are dropped."""
    engines = MilvusEngines()
    client = engines.at(Target(address, "Milvus"))
    begun = time.monotonic()
    await each(names, lambda name: api.create(VECTOR_COLLECTION, collection(name, loaded=loaded)))
    await each(names, lambda name: begin(api, client, name, loaded=loaded))
    if loaded:
        await each(names, lambda name: end(api, client, name))
    await each(names, lambda name: api.create(EVENT, event(name)))
    took = time.monotonic() - begun
    await each(names, lambda name: client.drop(schema_of(name).name))
    await engines.close()
    return took


async def begin(api: KubernetesClient, client: EngineClient, name: str, *, loaded: bool) -> None:
    """Create the collection, and have it indexed and loaded, which nobody waits for yet."""
    key, schema = Key(NAMESPACE, name), schema_of(name)
    await client.describe(schema.name)
    note = {"metadata": {"annotations": {"quiver.dev/claim": CLAIM}}}
    await api.patch(VECTOR_COLLECTION, key, note)
    await client.create(schema, {"quiver.dev/owner": "0" * 36})
    await client.set_index(schema.name, INDEX, schema.metric_type)
    if loaded:
        await loads_of(client).load(schema.name, 1)
    await report(api, name)


async def end(api: KubernetesClient, client: EngineClient, name: str) -> None:
    """Look again, wait until it is loaded, search once, and say so."""
    schema = schema_of(name)
    await client.describe(schema.name)
    await client.describe_index(schema.name)
    while (await loads_of(client).describe_load(schema.name)).state != "Loaded":  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(POLL_S)
    await client.search_once(schema)
    await report(api, name)


async def report(api: KubernetesClient, name: str) -> None:
    told = {"status": status(schema_of(name).name)}
    await api.patch(VECTOR_COLLECTION, Key(NAMESPACE, name), told, subresource="status")


def loads_of(client: EngineClient) -> Loads:
    assert client.loads is not None
    return client.loads
