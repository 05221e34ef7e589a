"""What a status says that the server has of a long form: the API server keeps that in the spec."""

import json
from copy import deepcopy
from typing import Any

import pytest

from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field
from quiver.ports.errors import EngineUnreachable
from quiver.reconcile.result import Result
from support.long_forms import (
    BM25,
    EMBEDDING,
    FIELDS,
    HNSW,
    ID,
    IMAGE,
    TAGS,
    TERMS,
    TITLE,
    long_form,
)
from support.milvus_cluster import MilvusCluster

NAME = "test01"
LONGER = {**TITLE, "maxLength": 1024}
LOST = EngineUnreachable("the connection was lost")
THERE: Manifest = {
    "fields": [
        {"name": "embedding"},
        {"name": "id", "maxLength": 64},
        {"name": "title", "maxLength": 512},
    ]
}


def held(cluster: MilvusCluster) -> Manifest:
    """Return what the status says that the server has."""
    milvus = json.loads(json.dumps(cluster.get()["status"].get("milvus", {})))
    return {k: milvus[k] for k in ("fields", "functions", "dynamicFields") if k in milvus}


def with_(*fields: Manifest, **more: Any) -> Manifest:
    told = sorted([*deepcopy(THERE["fields"]), *fields], key=lambda field: str(field["name"]))
    return {"fields": told, **more}


async def ready_cluster(version: str = "v3.0.0") -> MilvusCluster:
    cluster = MilvusCluster(long_form(indexes=[HNSW]))
    cluster.tell_version(version)
    await cluster.settle()
    return cluster


async def check_steady(cluster: MilvusCluster) -> None:
    """Nothing is written once more, and the engine is asked no more than always."""
    cluster.api.patches.clear()
    cluster.server.calls.clear()
    assert await cluster.reconcile() is Result.DONE
    assert cluster.api.patches == []
    assert cluster.server.calls["describe"] == 1


async def test_a_collection_that_is_made_is_told_as_it_was_asked_for() -> None:
    cluster = await ready_cluster()
    assert held(cluster) == THERE
    await check_steady(cluster)


async def test_growth_is_told_in_the_write_that_says_that_it_is_done() -> None:
    cluster = await ready_cluster()
    fields = (ID, LONGER, EMBEDDING, TAGS, TERMS)
    cluster.edit(**long_form(*fields, indexes=[HNSW], functions=[BM25], dynamicFields=True))
    cluster.api.patches.clear()
    await cluster.reconcile()
    told = with_({"name": "tags", "maxLength": 64}, {"name": "terms"}, functions=["bm25"])
    title = next(field for field in told["fields"] if field["name"] == "title")
    title["maxLength"] = 1024
    assert held(cluster) == {**told, "dynamicFields": True}
    assert len(cluster.api.patches) == 1
    await cluster.settle()
    await check_steady(cluster)


async def test_growth_that_the_version_lacks_is_not_told() -> None:
    cluster = await ready_cluster("v2.5.4")
    cluster.edit(**long_form(*FIELDS, TAGS, indexes=[HNSW]))
    await cluster.settle()
    assert cluster.said() == ("Stalled", "VersionTooOld")
    assert held(cluster) == THERE


async def test_a_field_that_no_such_version_has_may_be_taken_out() -> None:
    """It is not asked for, and the object says that it may be."""
    cluster = await ready_cluster("v2.5.4")
    cluster.edit(**long_form(*FIELDS, IMAGE, indexes=[HNSW]))
    await cluster.settle()
    assert cluster.said() == ("Stalled", "VersionTooOld")
    (message,) = [
        c["message"] for c in cluster.get()["status"]["conditions"] if c["type"] == "Ready"
    ]
    assert "or take that out of the spec" in message
    assert held(cluster) == THERE


async def test_of_growth_that_fails_in_between_only_what_was_done_is_told() -> None:
    cluster = await ready_cluster()
    cluster.server.refuse(LOST, "alter_field")
    cluster.edit(**long_form(ID, LONGER, EMBEDDING, TAGS, indexes=[HNSW]))
    await cluster.reconcile()
    assert cluster.said() == ("Reconciling", "EngineUnreachable")
    assert held(cluster) == with_({"name": "tags", "maxLength": 64})


async def test_what_was_seen_stays_while_it_cannot_be_seen() -> None:
    cluster = await ready_cluster()
    spec = long_form(indexes=[HNSW])
    cluster.edit(milvus={**spec["milvus"], "properties": {"collection.ttl.seconds": "60"}})
    cluster.server.refuse(LOST, "describe")
    await cluster.reconcile()
    assert cluster.said() == ("Reconciling", "EngineUnreachable")
    assert held(cluster) == THERE


async def test_a_field_that_the_spec_does_not_say_is_told_and_may_be_put_back() -> None:
    """It was added by a reconcile that told it nobody, and then taken off the spec."""
    cluster = await ready_cluster()
    cluster.server.add_field(NAME, Field(name="tags", type="VarChar", max_length=64, nullable=True))
    await cluster.settle()
    assert cluster.said() == ("Stalled", "SpecDiffers")
    assert held(cluster) == with_({"name": "tags", "maxLength": 64})
    cluster.edit(**long_form(*FIELDS, TAGS, indexes=[HNSW]))
    await cluster.settle()
    assert cluster.said() == ("Ready", "Available")


async def test_a_status_of_before_gets_it_at_the_next_look() -> None:
    cluster = await ready_cluster()
    found = cluster.get()
    milvus = {k: v for k, v in found["status"]["milvus"].items() if k != "fields"}
    cluster.add({**found, "status": {**found["status"], "milvus": milvus}})
    await cluster.settle()
    assert held(cluster) == THERE
    await check_steady(cluster)


async def test_the_short_form_has_none_of_it() -> None:
    cluster = MilvusCluster()
    await cluster.settle()
    assert cluster.said() == ("Ready", "Available")
    assert held(cluster) == {}


@pytest.mark.parametrize("policy", ["IfIdentical", "Never"])
async def test_only_a_collection_that_is_adopted_is_told(policy: str) -> None:
    """The others are not the object's."""
    cluster = await ready_cluster()
    found = cluster.get()
    spec = {**found["spec"], "adoptionPolicy": policy}
    meta = {k: v for k, v in found["metadata"].items() if k not in ("annotations", "finalizers")}
    cluster.add({**found, "metadata": meta, "spec": spec, "status": {}})
    await cluster.settle()
    assert held(cluster) == (THERE if policy == "IfIdentical" else {})
