"""What keeps a collection from being ready on Milvus: how it is said, and that it goes on once the
cause is gone.
"""

import pytest

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import Manifest
from quiver.ports.errors import ApiRefused
from quiver.reconcile.result import Result
from support.builders import collection
from support.milvus_cluster import LOGIN, MilvusCluster
from support.milvus_codes import NOT_READY, QUOTA, RATE_LIMIT, refused

AVAILABLE = ("Ready", "Available")
HNSW = {"index": {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}}
ROWS = 5000


async def ready_cluster(spec: Manifest | None = None) -> MilvusCluster:
    cluster = MilvusCluster(spec)
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    return cluster


async def test_a_collection_is_ready_once_it_can_be_searched() -> None:
    """It is made, indexed and loaded, and searched once before its object says so."""
    cluster = await ready_cluster()
    assert cluster.server.describe_load("test01").state == "Loaded"
    assert cluster.server.calls["search_once"] == 1
    cluster.api.calls.clear()
    assert await cluster.reconcile() is Result.DONE
    assert cluster.api.calls == []


async def test_it_is_not_ready_while_it_is_being_loaded() -> None:
    cluster = MilvusCluster()
    cluster.server.load_slowly()
    for percent in (0, 40):
        await cluster.reconcile()
        if percent:
            cluster.server.load_part("test01", percent)
        assert await cluster.reconcile() is Result.RETRY
        assert cluster.said() == ("Reconciling", "Loading")
    cluster.server.load_part("test01", 100)
    await cluster.settle()
    assert cluster.said() == AVAILABLE


@pytest.mark.parametrize("wrong", ["root:old", ""])
async def test_a_wrong_login_is_waited_for_until_the_secret_says_another(wrong: str) -> None:
    cluster = MilvusCluster(engine_spec={"auth": {"secretName": LOGIN}} if wrong else {})
    cluster.server.login = "root:new"
    if wrong:
        cluster.log_in(wrong)
    await cluster.reconcile()
    assert cluster.said() == ("Stalled", "CredentialsRefused")
    cluster.log_in("root:new")
    cluster.edit_engine(auth={"secretName": LOGIN})
    await cluster.read_secrets()
    await cluster.settle()
    assert cluster.said() == AVAILABLE


async def test_a_missing_database_is_waited_for() -> None:
    cluster = MilvusCluster({"milvus": {"database": "db1"}})
    assert await cluster.reconcile() is Result.RETRY
    assert cluster.said() == ("Reconciling", "DatabaseNotFound")
    cluster.server.create_database("db1")
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    assert cluster.server.list_collections() == {"db1/test01"}


async def test_a_missing_database_is_made_where_the_engine_lets_quiver_do_so() -> None:
    makes = {"milvus": {"createDatabases": True}}
    cluster = MilvusCluster({"milvus": {"database": "db1"}}, makes)
    await cluster.settle()
    assert cluster.server.list_collections() == {"db1/test01"}


@pytest.mark.parametrize("call", ["create", "set_index", "load", "describe", "search_once"])
@pytest.mark.parametrize("code", [NOT_READY, RATE_LIMIT])
async def test_what_a_server_refuses_for_now_is_tried_again(code: int, call: str) -> None:
    cluster = MilvusCluster()
    cluster.server.refuse(refused(code, "not now"), call)
    for _ in range(3):
        assert await cluster.reconcile() is Result.RETRY
    assert cluster.said()[0] == "Reconciling"
    cluster.server.accept()
    await cluster.settle()
    assert cluster.said() == AVAILABLE


async def test_a_quota_that_is_used_up_needs_a_person() -> None:
    """The object is not tried again by itself, but in each round."""
    cluster = MilvusCluster()
    cluster.server.refuse(refused(QUOTA, "the quota is used up"), "create")
    assert await cluster.reconcile() is Result.DONE
    assert cluster.said() == ("Stalled", "EngineRefused")
    cluster.server.accept()
    await cluster.settle()
    assert cluster.said() == AVAILABLE


async def test_a_load_without_memory_is_tried_again() -> None:
    """The collection and its index stay meanwhile."""
    cluster = MilvusCluster()
    cluster.server.fail_loads("predict 9 GB, limit 8 GB")
    for _ in range(3):
        assert await cluster.reconcile() is Result.RETRY
    assert cluster.said() == ("Reconciling", "EngineRefused")
    cluster.server.fail_loads(None)
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    assert cluster.server.calls["create"] == 1


@pytest.mark.parametrize("forgets", [False, True], ids=["goes on", "forgets"])
async def test_a_restart_while_a_collection_is_loaded(forgets: bool) -> None:
    """Nobody says that it is ready until it can be searched again."""
    cluster = await ready_cluster()
    cluster.server.load_slowly()
    cluster.server.restarted(forgets=forgets)
    assert await cluster.reconcile() is Result.RETRY
    assert cluster.said() == ("Reconciling", "Loading")
    cluster.server.load_part("test01", 100)
    await cluster.settle()
    assert cluster.said() == AVAILABLE


async def test_an_index_that_cannot_be_built_is_tried_again() -> None:
    cluster = await ready_cluster()
    cluster.server.insert("test01", ROWS)
    cluster.server.fail_builds("no space left on device")
    cluster.edit(**HNSW)
    for _ in range(3):
        assert await cluster.reconcile() is Result.RETRY
    assert cluster.said() == ("Reconciling", "IndexFailed")
    cluster.server.fail_builds(None)
    await cluster.settle()
    assert cluster.said() == AVAILABLE


async def test_an_index_that_cannot_be_leaves_the_collection_in_memory() -> None:
    """It is searched as before, until somebody names an index that can be."""
    cluster = await ready_cluster()
    cluster.edit(index={"type": "IVF_FLAT", "params": {"nlist": 65537}})
    for _ in range(3):
        assert await cluster.reconcile() is Result.DONE
        assert cluster.said() == ("Stalled", "EngineRefused")
    assert cluster.server.describe_load("test01").state == "Loaded"


async def test_an_index_is_built_before_its_collection_is_ready() -> None:
    cluster = await ready_cluster()
    cluster.server.insert("test01", ROWS)
    cluster.server.build_slowly()
    cluster.edit(**HNSW)
    for _ in range(2):
        assert await cluster.reconcile() is Result.RETRY
        assert cluster.said() == ("Reconciling", "IndexBuilding")
    cluster.server.build_rows("test01", ROWS)
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    assert cluster.server.describe_load("test01").state == "Loaded"


async def test_a_collection_is_released_before_its_properties_change() -> None:
    """Some properties are refused while it is loaded: one edit may ask for both."""
    cluster = await ready_cluster()
    mapped = {"mmap.enabled": "true"}
    cluster.edit(milvus={"load": {"enabled": False}, "properties": mapped})
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    cluster.edit(milvus={"properties": mapped})
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    assert cluster.server.describe_load("test01").state == "Loaded"
    assert cluster.server.found("test01").properties["mmap.enabled"] == "true"


async def test_a_property_that_is_taken_off_while_it_is_being_set_does_not_stay() -> None:
    """Nobody may be left to say in the status that it was set: the server knows."""
    cluster = MilvusCluster({"milvus": {"properties": {"collection.ttl.seconds": "60"}}})
    cluster.api.refusals["patch VectorCollection test01 status"] = "not now"
    with pytest.raises(ApiRefused):
        await cluster.reconcile()
    assert cluster.server.found("test01").properties["collection.ttl.seconds"] == "60"
    cluster.api.refusals.clear()
    cluster.edit(milvus={})
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    assert "collection.ttl.seconds" not in cluster.server.found("test01").properties
    cluster.server.calls.clear()
    await cluster.settle()
    assert cluster.server.calls["alter_properties"] == 0


async def test_the_mark_of_an_object_that_was_released_counts_no_more() -> None:
    """Finalizers of others may hold that object for long."""
    cluster = MilvusCluster({"adoptionPolicy": "IfIdentical"})
    marks = {"quiver.dev/owner": "uid-of-old"}
    cluster.server.create(CollectionSchema(name="test01", dimension=256, metric_type="L2"), marks)
    released = [{"type": "Ready", "status": "False", "reason": "Released"}]
    going = {"finalizers": ["example.org/hold"], "deletionTimestamp": "2024-05-02T10:00:00Z"}
    old = collection("old", spec={"collectionName": "test01"}, **going)
    cluster.add(old)
    await cluster.settle()
    assert cluster.said() == ("Stalled", "NameTaken")
    cluster.add({**old, "status": {"conditions": released}})
    await cluster.settle()
    assert cluster.said() == AVAILABLE


@pytest.mark.parametrize("mark", ['["team"]', "[", '[["team"]]', '["quiver.dev/owner"]', "null"])
async def test_what_others_have_set_is_left_alone(mark: str) -> None:
    """Whatever they say that Quiver has set."""
    theirs = {"team": "their own", "quiver.dev/properties": mark, "quiver.dev/owner": "gone"}
    cluster = MilvusCluster({"adoptionPolicy": "IfIdentical"})
    schema = CollectionSchema(name="test01", dimension=256, metric_type="L2")
    cluster.server.create(schema, theirs)
    await cluster.settle()
    assert cluster.said() == AVAILABLE
    found = cluster.server.found("test01").properties
    assert found == {
        "team": "their own",
        "quiver.dev/properties": "[]",
        "quiver.dev/owner": "uid-of-test01",
    }
