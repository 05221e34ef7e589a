"""What users of similar operators complain about, each as a test that it does not happen here.

Much of it is shown at length elsewhere; the comment above a test says where.
"""

import asyncio
import shutil
from collections import Counter
from typing import Any

import pytest

from machine.engine_process import EngineProcess
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.ports.errors import ApiRefused
from support.fake_engine import FakeEngine, FakeEngines
from support.milvus1_client import Milvus1
from support.namespaces import Namespace, ready_condition
from support.operators import all_reconciled, running
from support.waiting import eventually

HNSW: Manifest = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
ADOPTING = {"adoptionPolicy": "IfIdentical"}


# 1. test_life.py has a single collection dropped behind the operator's back.
async def test_what_a_server_lost_comes_back(
    world: Namespace, engine_process: EngineProcess
) -> None:
    """A server that starts anew on an empty disk has all collections again, and each object warns
    that its vectors are gone.
    """
    names = [f"docs{number}" for number in range(10)]
    async with running(world.operator_api, world.engines, resync_period=1):
        for name in names:
            await world.create_collection(name, partitions=["a"], index=HNSW)
        await world.ready(*names)
        engine_process.kill()
        shutil.rmtree(engine_process.data_dir)
        await asyncio.to_thread(engine_process.start)
        for name in names:
            await world.told(name, "Recreated")
        await world.ready(*names)
    for name in names:
        found = await world.engine.describe(name)
        assert found is not None
        assert found.partitions == {"a"}
        assert (await world.engine.describe_index(name)).index is not None


# 1. What else may have changed without anybody's telling: another collection of that name.
async def test_ready_does_not_outlive_the_collection(fake_world: Namespace) -> None:
    """A collection that somebody replaced by another is noticed, and left alone."""
    world = fake_world
    async with running(world.operator_api, world.engines, verify_period=1):
        await world.create_collection("docs")
        await world.ready("docs")
        await world.engine.drop("docs")
        await world.engine.create(
            CollectionSchema(name="docs", dimension=16, index_file_size=1024, metric_type="L2")
        )
        await world.says("docs", "SpecDiffers", "dimension is 16, not 8")
    assert (await world.engine.describe("docs")) is not None


# 2. test_deletion.py has each policy by itself.
@pytest.mark.parametrize("policy", ["Retain", "DeleteIfEmpty"])
async def test_what_gitops_prunes_keeps_its_vectors(
    world: Namespace, client: Milvus1, policy: str
) -> None:
    """Whoever runs an engine sets a default that keeps vectors; applied anew, the object has them
    again, or it has never gone.
    """
    await world.patch("engine", {"spec": {"defaultDeletionPolicy": policy}}, VECTOR_ENGINE)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **ADOPTING)
        await world.ready("docs")
        client.insert("docs", [[1.0] * 8])
        client.flush("docs")
        await world.delete("docs")
        if policy == "Retain":
            await world.gone("docs")
            await world.create_collection("docs", **ADOPTING)
            await world.ready("docs")
        else:
            await world.says("docs", "NotEmpty", "1 vectors")
    assert client.count("docs") == 1


# 3. test_life.py has namespaces that go while all is well.
async def test_a_namespace_goes_though_its_engine_is_dead(
    world: Namespace, engine_process: EngineProcess
) -> None:
    """Its collections wait for a server that never comes back, and do not hold up the namespace."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("one")
        await world.create_collection("two", deletionPolicy="DeleteIfEmpty")
        await world.ready("one", "two")
        engine_process.kill()
        await world.delete("one")
        await world.settled("one", "EngineUnreachable")
        await world.api.delete_namespace(world.namespace)

        async def is_gone() -> bool:
            return not await world.api.has_namespace(world.namespace)

        await eventually(is_gone, "the namespace is gone")


# 4. test_isolation.py has servers that take calls and do not answer.
async def test_a_server_that_is_down_starves_no_deletions_elsewhere(
    fake_world: Namespace, fake: FakeEngine, fake_engines: FakeEngines
) -> None:
    """Many deletions wait for one server; those of another are done, and those that wait end when
    it is back.
    """
    world, other = fake_world, fake_world.address.replace(":19530", ":19531")
    fake_engines.start(other)
    await world.create(VECTOR_ENGINE, "other", {"external": {"endpoints": [other]}})
    waiting = [f"waits{number}" for number in range(40)]
    async with running(world.operator_api, world.engines):
        await asyncio.gather(*(world.create_collection(name) for name in waiting))
        await world.create_collection("docs", engineRef={"name": "other"})
        await world.ready("docs", *waiting)
        fake.up = False
        await asyncio.gather(*(world.delete(name) for name in waiting))
        await world.settled(waiting[0], "EngineUnreachable")
        await world.delete("docs")
        await world.gone("docs")
        assert len(fake.collections) == len(waiting)
        fake.up = True
        for name in waiting:
            await world.gone(name)
    assert fake.collections == {}


# 5. test_writes.py has that a restart writes nothing.
async def test_a_restart_among_many_serves_a_new_one_and_repeats_nothing(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """Each object in place is described once, none is changed, and a new one is Ready."""
    world = fake_world
    names = [f"docs{number}" for number in range(100)]
    async with running(world.operator_api, world.engines):
        await asyncio.gather(*(world.create_collection(name) for name in names))
        await world.ready(*names)
    fake.calls.clear()
    async with running(world.operator_api, world.engines) as operator:
        await world.create_collection("new")
        await world.ready("new")
        await all_reconciled(operator, len(names) + 1)
    assert fake.calls["create"] == 1
    assert fake.calls["describe"] <= len(names) + 2
    assert not fake.calls["drop"]


# 6. test_writes.py counts the writes of a create, a delete and a restart.
async def test_nothing_is_written_when_there_is_nothing_to_say(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """Looked at again and again, or given a label, the object stays at its version."""
    world = fake_world
    async with running(world.operator_api, world.engines, resync_period=0.5) as operator:
        await world.create_collection(
            "docs", partitions=["a"], index=HNSW, binding={"secretName": "docs"}
        )
        (before,) = await world.ready("docs")
        labelled = await world.patch("docs", {"metadata": {"labels": {"team": "search"}}})
        secret = await world.get("docs", SECRET)
        described = fake.calls["describe"]
        for _ in range(3):
            await operator._resync.once()
            operator._queues.collections.add(Key(world.namespace, "docs"))

            async def has_looked(since: int = fake.calls["describe"]) -> bool:
                return fake.calls["describe"] > since

            await eventually(has_looked, "the operator looks")
    assert fake.calls["describe"] >= described + 3
    after = await world.get("docs")
    assert after["metadata"]["resourceVersion"] == labelled["metadata"]["resourceVersion"]
    assert after["status"] == before["status"]
    assert await world.get("docs", SECRET) == secret


# 6. A cache of all Secrets costs memory and trust.
async def test_secrets_are_not_for_the_operator_to_list(world: Namespace) -> None:
    """It may get one by its name and no more, so that it cannot keep all of a cluster's."""
    with pytest.raises(ApiRefused, match="cannot list resource"):
        await world.operator_api.list(SECRET)


# 7. test_index.py, test_life.py and test_binding.py have drift of each kind repaired.
async def test_an_adopted_object_does_not_get_stuck(world: Namespace, client: Milvus1) -> None:
    """What exists already is adopted, is still the object's after a restart, and follows it."""
    client.create("docs", dimension=8)
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **ADOPTING)
        await world.ready("docs")
    async with running(world.operator_api, world.engines):
        await world.patch("docs", {"spec": {"partitions": ["a"]}})
        await world.ready("docs")
    assert client.partitions("docs") == ["_default", "a"]


# 8. test_ownership.py has namespaces that are let in by All and by their labels.
async def test_use_across_namespaces_takes_a_grant_of_the_engines_side(
    world: Namespace, neighbour: Namespace
) -> None:
    """A guest cannot let itself in, and gets in by nothing but the engine's own word."""
    async with running(world.operator_api, world.engines):
        await neighbour.create_collection("docs", **ADOPTING)
        await neighbour.settled("docs", "NamespaceNotAllowed")
        allowed = {"allowedNamespaces": {"from": "All"}}
        await world.patch("engine", {"spec": allowed}, VECTOR_ENGINE)
        await neighbour.ready("docs")


# 9. Health checks go by Ready, and must not find it missing.
async def test_an_object_is_not_healthy_because_it_exists(fake_world: Namespace) -> None:
    """Before any operator has seen it, its Ready condition is there, and not True."""
    created = await fake_world.create_collection("docs")
    assert ready_condition(created)["status"] == "Unknown"


# 9. test_deletion.py has suspend by itself.
async def test_pause_and_unmanage_are_two_things(world: Namespace, client: Milvus1) -> None:
    """Suspended, the object keeps its collection; deleted with Retain, it lets go of it. From both
    there is a way back.
    """
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", **ADOPTING)
        await world.ready("docs")
        client.insert("docs", [[1.0] * 8])
        client.flush("docs")
        await world.patch("docs", {"spec": {"suspend": True, "partitions": ["a"]}})
        await world.patch("docs", {"spec": {"suspend": False}})
        (kept,) = await world.ready("docs")
        assert kept["status"]["origin"] == "Created"
        await world.patch("docs", {"spec": {"deletionPolicy": "Retain"}})
        await world.delete("docs")
        await world.gone("docs")
        await world.create_collection("docs", **ADOPTING)
        (taken_up,) = await world.ready("docs")
        assert taken_up["status"]["origin"] == "Adopted"
    assert client.count("docs") == 1


# 10. test_life.py has the same under a CRD that lets the change through.
async def test_a_collection_is_not_made_anew_because_a_field_changed(
    world: Namespace, client: Milvus1
) -> None:
    """The change is refused in words that say what to do, and every vector is where it was."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        client.insert("docs", [[1.0] * 8])
        client.flush("docs")
        for change in ({"dimension": 16}, {"metricType": "IP"}, {"indexFileSize": 64}):
            with pytest.raises(ApiRefused, match="is fixed when the collection is created"):
                await world.patch("docs", {"spec": change})
        await world.ready("docs")
    assert client.count("docs") == 1


class CountingApi:
    """The operator's client, which counts what it asks about the objects of one namespace."""

    def __init__(self, world: Namespace) -> None:
        self.asked: Counter[str] = Counter()
        self._api = world.operator_api
        self._namespace = world.namespace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def get(self, kind: Kind, key: Key) -> Any:
        self._count(f"get {kind.kind}", kind, key)
        return await self._api.get(kind, key)

    async def patch(self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = "") -> Any:
        self._count(f"patch {subresource or 'object'}", kind, key)
        return await self._api.patch(kind, key, patch, subresource=subresource)

    async def apply(self, kind: Kind, manifest: Manifest) -> Any:
        self._count(f"apply {kind.kind}", kind, Key.of(manifest))
        return await self._api.apply(kind, manifest)

    async def delete(self, kind: Kind, key: Key, uid: str) -> Any:
        self._count(f"delete {kind.kind}", kind, key)
        return await self._api.delete(kind, key, uid)

    def _count(self, what: str, kind: Kind, key: Key) -> None:
        if key.namespace == self._namespace and kind != VECTOR_ENGINE:
            self.asked[what] += 1


PRESENT = {"get VectorCollection": 1}
STATUS = {"patch status": 1}
LOOK = {"instance": 1, "describe": 1}
LOOK_AT_INDEX = LOOK | {"describe_index": 1}
BUILD = {"instance": 2, "describe": 2, "describe_index": 2, "set_index": 1, "search_once": 1}
CHANGES: list[tuple[str, Manifest | None, dict[str, int], dict[str, int]]] = [
    ("nothing", {}, {}, LOOK),
    ("partition added", {"partitions": ["a"]}, PRESENT | STATUS, LOOK | {"create_partition": 1}),
    ("partition taken off", {"partitions": None}, PRESENT | STATUS, LOOK | {"drop_partition": 1}),
    ("index set", {"index": HNSW}, PRESENT | {"patch status": 2}, BUILD),
    ("index changed", {"index": {"params": {"M": 32}}}, PRESENT | {"patch status": 2}, BUILD),
    ("index taken away", {"index": None}, PRESENT | STATUS, LOOK_AT_INDEX | {"set_index": 1}),
    (
        "binding published",
        {"binding": {"secretName": "one"}},
        PRESENT | STATUS | {"get Secret": 1, "apply Secret": 1},
        LOOK,
    ),
    (
        "binding renamed",
        {"binding": {"secretName": "two"}},
        PRESENT | STATUS | {"get Secret": 2, "apply Secret": 1, "delete Secret": 1},
        LOOK,
    ),
    (
        "binding taken away",
        {"binding": None},
        PRESENT | STATUS | {"get Secret": 1, "delete Secret": 1},
        LOOK,
    ),
    ("policy changed", {"deletionPolicy": "Delete"}, STATUS, LOOK),
    ("deleted", None, PRESENT | {"patch object": 1}, LOOK | {"drop": 1}),
]
"""Changes to one object, one after another, with the requests to the API server and the calls of
the engine that each may take.
"""


async def test_each_change_costs_what_it_must(fake_world: Namespace, fake: FakeEngine) -> None:
    """One status, one read before the engine is touched, and a call for each thing to be done."""
    world, api = fake_world, CountingApi(fake_world)
    async with running(api, world.engines) as operator:
        await world.settled_engine()
        await world.create_collection("docs")
        await world.ready("docs")
        for what, patch, asked, calls in CHANGES:
            await all_reconciled(operator, 1)
            api.asked.clear()
            fake.calls.clear()
            await make(world, fake, patch)
            await all_reconciled(operator, 1)
            # The engine's own object is looked at, too, when a collection of it is gone.
            del fake.calls["version"]
            assert (api.asked, fake.calls) == (asked, calls), what


async def make(world: Namespace, fake: FakeEngine, patch: Manifest | None) -> None:
    """Change the object, and wait until the operator has seen to it."""
    if patch is None:
        await world.delete("docs")
        await world.gone("docs")
    elif patch:
        await world.patch("docs", {"spec": patch})
        await world.ready("docs")
    else:
        await world.look_now("docs")

        async def has_looked() -> bool:
            return fake.calls["describe"] > 0

        await eventually(has_looked, "the operator looks")
