"""What a plan says of whole schemas, held against what then happens.

A fake tells the protocol of Milvus 2.6, which no server from PyPI has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy

import pytest

from localcluster import ControlPlane
from quiver.adapters.drivers import Drivers
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from support.admin_api import AdminApi
from support.milvus_server.server import FakeMilvusServer
from support.namespaces import Namespace
from support.operators import running
from support.planning import Pipeline
from support.schema_users import collection_of

HNSW = {"type": "HNSW", "metricType": "COSINE", "params": {"M": 16, "efConstruction": 64}}
IVF = {"type": "IVF_FLAT", "metricType": "COSINE", "params": {"nlist": 64}}
AUTHOR = {"name": "author", "type": "VarChar", "maxLength": 64, "nullable": True}
BASE: Manifest = {
    "schema": {
        "fields": [
            {"name": "id", "type": "Int64", "primaryKey": True},
            {"name": "price", "type": "Double"},
            {"name": "embedding", "type": "FloatVector", "dimension": 8},
        ],
        "indexes": [{"field": "embedding", **HNSW}],
    }
}


@pytest.fixture
async def pipeline(
    namespace: str, api: AdminApi, operator_api: AdminApi, quiver_api: ControlPlane
) -> AsyncIterator[Pipeline]:
    """A collection `docs` of the schema `BASE` is there."""
    engines = Drivers()
    async with FakeMilvusServer(version="v2.6.20", has_storage_v3=True) as fake:
        world = Namespace(namespace, api, operator_api, engines, fake.address)
        spec = {"type": "Milvus", "external": {"endpoints": [fake.address]}}
        await world.create(VECTOR_ENGINE, "milvus", spec)
        async with running(operator_api, engines):
            await world.settled_engine("milvus")
            pipeline = Pipeline(world, quiver_api)
            await pipeline.apply(collection_of("docs", BASE))
            await world.ready("docs")
            yield pipeline
    await engines.close()


async def test_a_new_collection_is_created_with_all_its_indexes(pipeline: Pipeline) -> None:
    planned = await pipeline.plan(collection_of("more", BASE))
    more = planned.of("more")
    assert (planned.code, more["action"]) == (2, "create")
    assert more["what"][0].startswith("create collection more on ")
    assert more["what"][1:] == [
        "build index HNSW (COSINE, M 16, efConstruction 64) of field 'embedding'",
        "load it",
    ]


async def test_a_field_is_added(pipeline: Pipeline) -> None:
    wanted = collection_of("docs", BASE)
    wanted["spec"]["milvus"]["schema"]["fields"].append(AUTHOR)
    planned = await pipeline.plan(wanted)
    docs = planned.of("docs")
    assert (planned.code, docs["action"], docs["danger"]) == (2, "change", "CHANGES")
    assert docs["what"] == ["add field 'author' (VarChar)"]
    await pipeline.apply(wanted)
    await pipeline.world.ready("docs")
    assert (await pipeline.plan(wanted)).code == 0


async def test_an_index_of_vectors_is_replaced(pipeline: Pipeline) -> None:
    wanted = collection_of("docs", deepcopy(BASE))
    wanted["spec"]["milvus"]["schema"]["indexes"] = [{"field": "embedding", **IVF}]
    planned = await pipeline.plan(wanted)
    docs = planned.of("docs")
    assert (planned.code, docs["action"], docs["danger"]) == (2, "change", "INTERRUPTS")
    [said] = docs["what"]
    assert said.startswith("replace index HNSW (COSINE, M 16, efConstruction 64")
    assert said.endswith("of field 'embedding' by IVF_FLAT (COSINE, nlist 64)")
    await pipeline.apply(wanted)
    await pipeline.world.ready("docs")
    assert (await pipeline.plan(wanted)).code == 0


async def test_a_field_that_is_taken_off_is_refused(pipeline: Pipeline) -> None:
    wanted = collection_of("docs", deepcopy(BASE))
    del wanted["spec"]["milvus"]["schema"]["fields"][1]
    planned = await pipeline.plan(wanted)
    docs = planned.of("docs")
    assert (planned.code, docs["action"], docs["reason"]) == (3, "refused", "ByTheAPIServer")
    assert "field" in docs["message"]
