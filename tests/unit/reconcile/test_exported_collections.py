"""A collection is made, exported as YAML, and adopted by it: nothing of it changes."""

from typing import Any

import pytest
import yaml

from quiver.domain.access import Target
from quiver.domain.collections import OWNER_PROPERTY, EngineRef
from quiver.domain.exported import Exported, OnMilvus, export_from_milvus
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, collection
from support.milvus_cluster import ADDRESS, MilvusCluster
from support.milvus_schemas import GOOD_SCHEMAS

AVAILABLE = ("Ready", "Available")
SHORT: dict[str, Manifest] = {
    "short form": {"dimension": 8},
    "short form with an index": {
        "dimension": 8,
        "metricType": "COSINE",
        "index": {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}},
        "partitions": ["de", "en"],
        "milvus": {"load": {"replicas": 2}, "shards": 2, "consistencyLevel": "Strong"},
    },
    "short form over bits": {
        "dimension": 16,
        "metricType": "JACCARD",
        "index": {"type": "IVF_FLAT", "params": {"nlist": 64}},
        "milvus": {"load": {"enabled": False}},
    },
}
LONG: dict[str, Manifest] = {
    name: {"dimension": None, "milvus": milvus} for name, milvus in GOOD_SCHEMAS.items()
}
SPECS = SHORT | LONG
READING = {"version", "instance", "report", "list_collections", "describe", "count_rows"}
READING |= {"describe_index", "describe_indexes", "describe_load", "list_databases", "search_once"}


async def made(spec: Manifest) -> MilvusCluster:
    """Return a cluster that has made the collection, and whose object has left it behind."""
    cluster = MilvusCluster({**spec, "deletionPolicy": "Retain"})
    cluster.server.told_version = "v3.0.0"
    cluster.server.databases |= {"shop", "library"}
    await cluster.settle()
    assert cluster.said() == AVAILABLE, cluster.get()["status"]
    found = cluster.get()
    meta = {**found["metadata"], "deletionTimestamp": "2024-05-02T10:00:00Z"}
    cluster.add({**found, "metadata": meta})
    assert await cluster.reconcile() is Result.DONE
    cluster.remove(VECTOR_COLLECTION, "test01")
    return cluster


async def export(cluster: MilvusCluster) -> Exported:
    """Ask the server what there is, as a command would."""
    client = cluster.engines.at(Target(ADDRESS, "Milvus"))
    (name,) = await client.list_collections()
    observed = await client.describe(name)
    assert observed is not None
    assert client.fields is not None
    assert client.loads is not None
    found = OnMilvus(
        collection=observed,
        indexes=await client.fields.describe_indexes(name),
        load=await client.loads.describe_load(name),
    )
    return export_from_milvus(EngineRef(name="engine"), found)


async def adopted(cluster: MilvusCluster, spec: Manifest) -> Manifest:
    """Return the object that has adopted the collection by the spec, written as YAML."""
    read = yaml.safe_load(yaml.safe_dump(spec))
    manifest = {**collection("again"), "spec": read}
    cluster.add(manifest)
    for _ in range(3):
        if await cluster.reconciler.reconcile(Key(NAMESPACE, "again")) is Result.DONE:
            break
    return cluster.get("again")


def without_marks(cluster: MilvusCluster) -> dict[str, Any]:
    """Return what the server has, but for the properties that Quiver always sets."""
    ((name, found),) = cluster.server.collections.items()
    told = vars(cluster.server.found(name)) | {"properties": None}
    return {name: told | {"rows": dict(found.rows)}}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
async def test_what_is_exported_adopts_and_changes_nothing(spec: Manifest) -> None:
    """Whatever the form: the object is ready, and its mark is all that the server is told."""
    cluster = await made(spec)
    answer = await export(cluster)
    assert answer.remarks == ()
    assert ("dimension" in answer.spec) == bool(spec["dimension"])
    before = without_marks(cluster)
    cluster.server.calls.clear()
    manifest = await adopted(cluster, answer.spec)
    ready = next(c for c in manifest["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "Available"), ready
    assert manifest["status"]["origin"] == "Adopted"
    assert without_marks(cluster) == before
    assert cluster.server.calls.keys() - READING == {"alter_properties"}
    ((name, _),) = cluster.server.collections.items()
    assert cluster.server.found(name).properties[OWNER_PROPERTY] == manifest["metadata"]["uid"]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
async def test_what_was_adopted_is_exported_alike(spec: Manifest) -> None:
    """Once more, with the properties that Quiver has set."""
    cluster = await made(spec)
    first = await export(cluster)
    await adopted(cluster, first.spec)
    assert await export(cluster) == first
