"""The release before and this one take over from each other, and nobody's vectors are lost.

That one wrote claims without a signature into annotation and status, and knew engines by their uid.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from machine.operator_process import OperatorProcess
from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import (
    POD,
    POD_DISRUPTION_BUDGET,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from support import before
from support.admin_api import AdminApi
from support.answers import answered, is_the_elder, take_away
from support.fake_engine import FakeEngine
from support.fake_names import FakeNames
from support.milvus1_client import Milvus1
from support.namespaces import Namespace
from support.operators import all_reconciled, running
from support.standin_node import StandinNode
from support.tenants import ADOPTING, Tenant, annotate, patch_status
from support.waiting import eventually

FIELDS = ("objectUID", "engineUID", "member", "collectionName", "origin")
"""What that release knows of a claim."""
NEWER = "registry.invalid/engine:2"
ROWS = 3
SCHEMA = CollectionSchema(name="adopted", dimension=8, index_file_size=1024, metric_type="L2")


def claim_before(claim: Manifest) -> Manifest:
    """Return the claim as the release before writes it, or reads it."""
    return {field: claim[field] for field in FIELDS if field in claim}


def read_before(manifest: Manifest) -> Manifest | None:
    """Return the claim that the release before finds: in the annotation, or else in the status."""
    metadata = manifest["metadata"]
    text = metadata.get("annotations", {}).get(CLAIM_ANNOTATION, "null")
    for found in (json.loads(text), manifest.get("status", {}).get("claim")):
        if found is not None and found["objectUID"] == metadata["uid"]:
            return claim_before(found)
    return None


async def put_back(world: Namespace, name: str) -> None:
    """Make the object as the release before leaves it."""
    claim = (await world.get(name))["status"]["claim"]
    await annotate(world, name, json.dumps(claim_before(claim)))
    await patch_status(world, name, {"claim": {"server": None}})


class CountedApi:
    """The operator's client, and how often it wrote what; events apart."""

    def __init__(self, api: AdminApi) -> None:
        self.writes: Counter[tuple[str, str]] = Counter()
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def patch(self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = "") -> Any:
        if kind in (VECTOR_COLLECTION, VECTOR_ENGINE):
            self.writes[key.name, subresource] += 1
        return await self._api.patch(kind, key, patch, subresource=subresource)

    async def apply(self, kind: Kind, manifest: Manifest) -> Any:
        self.writes[manifest["metadata"]["name"], kind.kind] += 1
        return await self._api.apply(kind, manifest)


async def owned(world: Namespace, fake: FakeEngine) -> list[str]:
    """Have collections of all kinds made, with vectors, and return the names of their objects."""
    fake.create(SCHEMA)
    specs: dict[str, Manifest] = {
        "docs": {},
        "parts": {"partitions": ["a", "b"]},
        "indexed": {"index": {"type": "IVF_FLAT", "params": {"nlist": 64}}},
        "kept": {"deletionPolicy": "Retain"},
        "adopted": {"adoptionPolicy": "IfIdentical"},
    }
    async with running(world.operator_api, world.engines):
        for name, spec in specs.items():
            await world.create_collection(name, **spec)
        await world.ready(*specs)
    for name in specs:
        fake.insert(name, ROWS)
    return [*specs]


def rows(fake: FakeEngine) -> dict[str, int]:
    return {name: fake.count_rows(name, None) for name in fake.collections}


@pytest.mark.parametrize("instance", ["5" * 32, None], ids=["instance", "address"])
async def test_an_upgrade_keeps_what_there_is_and_writes_once(
    fake_world: Namespace, fake: FakeEngine, instance: str | None
) -> None:
    """Each claim is told the server in one write of its status; the next resyncs write nothing, and
    the release before would read the same claims as ever.
    """
    fake.instance = instance
    names = await owned(fake_world, fake)
    for name in names:
        await put_back(fake_world, name)
    before = {name: await fake_world.get(name) for name in names}
    counted = CountedApi(fake_world.operator_api)
    fake.calls.clear()
    async with running(counted, fake_world.engines, resync_period=1) as operator:
        await all_reconciled(operator, len(names) + 1)
        written = Counter(counted.writes)

        async def has_resynced_twice() -> bool:
            return fake.calls["list_collections"] >= 2

        await eventually(has_resynced_twice, "two resyncs")
        await all_reconciled(operator, len(names) + 3)
    assert counted.writes == written == Counter(dict.fromkeys(((n, "status") for n in names), 1))
    assert rows(fake) == dict.fromkeys(names, ROWS)
    for name, manifest in before.items():
        (after,) = await fake_world.ready(name)
        assert after["status"]["claim"].keys() - manifest["status"]["claim"].keys() == {"server"}
        assert read_before(after) == read_before(manifest) is not None


async def test_what_was_made_before_goes_as_it_should(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """Deleted before the new release has looked, too: dropped, retained, or retained since it was
    adopted.
    """
    names = await owned(fake_world, fake)
    for name in names:
        await put_back(fake_world, name)
        await fake_world.delete(name)
    async with running(fake_world.operator_api, fake_world.engines):
        for name in names:
            await fake_world.gone(name)
    assert rows(fake) == {"kept": ROWS, "adopted": ROWS}


async def test_an_unsigned_annotation_alone_is_no_claim(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """A creation that the release before has begun is not gone on with, and can be adopted."""
    await owned(fake_world, fake)
    await put_back(fake_world, "docs")
    await patch_status(fake_world, "docs", {"claim": None})
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.look_now("docs")
        await fake_world.says("docs", "AlreadyExists", "adoptionPolicy to IfIdentical")
        await fake_world.patch("docs", {"spec": {"adoptionPolicy": "IfIdentical"}})
        await fake_world.ready("docs")
    assert fake.count_rows("docs", None) == ROWS


async def test_an_object_without_annotation_and_finalizer_is_kept(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """As `kubectl replace` left it while no operator ran: the status has the claim."""
    await owned(fake_world, fake)
    await put_back(fake_world, "docs")
    wiped = {"annotations": {CLAIM_ANNOTATION: None}, "finalizers": None}
    await fake_world.patch("docs", {"metadata": wiped})
    async with running(fake_world.operator_api, fake_world.engines):

        async def is_held() -> bool:
            return FINALIZER in (await fake_world.get("docs"))["metadata"].get("finalizers", [])

        await eventually(is_held, "the finalizer is back")
        (docs,) = await fake_world.ready("docs")
        assert read_before(docs) is not None
        assert fake.count_rows("docs", None) == ROWS
        await take_away(fake_world, "docs")
    assert "docs" not in fake.collections


@pytest.mark.parametrize("instance", ["5" * 32, None], ids=["instance", "address"])
async def test_a_claim_of_before_is_known_however_its_server_is_called(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant, instance: str | None
) -> None:
    """Nobody has told it the server yet, since its object is suspended: a tenant whose own, older
    VectorEngine leads there by another name gets no hold on the collection.
    """
    fake.instance = instance
    names = FakeNames()
    names.addresses["engine.example.org"] = (fake_world.address.partition(":")[0],)
    thief = await tenant.with_elder_engine(fake_world, "engine.example.org:19530")
    await owned(fake_world, fake)
    await put_back(fake_world, "docs")
    await fake_world.patch("docs", {"spec": {"suspend": True}})
    async with running(fake_world.operator_api, fake_world.engines, names=names):
        await thief.create_collection("loot", collectionName="docs", **ADOPTING)
        said = await answered(thief, "loot")
        await take_away(thief, "loot")
    assert fake.count_rows("docs", None) == ROWS
    assert said in ("NameTaken", "AlreadyExists")


async def test_a_forged_claim_that_the_release_before_believed_drops_nothing(
    fake_world: Namespace, fake: FakeEngine, api: AdminApi, tenant: Tenant
) -> None:
    """Its operator noted the claim of a tenant's annotation in the status: of two who have the
    collection, the older proves nothing, so that nobody drops it, and who is left has it.
    """
    thief = tenant.at(fake_world)
    await thief.create_collection("docs")
    await is_the_elder(thief, "docs")
    await owned(fake_world, fake)
    await put_back(fake_world, "docs")
    claim = claim_before((await fake_world.get("docs"))["status"]["claim"])
    claim["objectUID"] = (await thief.get("docs"))["metadata"]["uid"]
    await patch_status(replace(thief, api=api), "docs", {"claim": claim})
    await replace(thief, api=api).patch("docs", {"metadata": {"finalizers": [FINALIZER]}})
    async with running(fake_world.operator_api, fake_world.engines):
        await thief.settled("docs", "NamespaceNotAllowed")
        await take_away(thief, "docs")
        assert fake.count_rows("docs", None) == ROWS
        await fake_world.look_now("docs")
        await fake_world.ready("docs")
    assert fake.count_rows("docs", None) == ROWS


async def test_an_upgrade_leaves_pods_as_they_are(managed: Namespace, node: StandinNode) -> None:
    """An engine that Quiver runs, whose status does not tell yet of which image its pods are, nor
    how many replicas it had at most: its pods stay, though this release has another image, and so
    does the one beyond its replicas that holds a collection. From now on none is evicted.
    """
    async with running(managed.operator_api, managed.engines):
        spec = {"nodeSelector": node.selector, "replicas": 2}
        await managed.create(VECTOR_ENGINE, "engine", spec)
        await managed.settled_engine()
        await managed.create_collection("one")
        await managed.ready("one")
        await managed.create_collection("two")
        placed = {c["status"]["placement"]["pod"] for c in await managed.ready("one", "two")}
        assert placed == {"engine-0", "engine-1"}
        await managed.patch("engine", {"spec": {"replicas": 1}}, VECTOR_ENGINE)
        await managed.settled("engine", "ScaleDownBlocked", VECTOR_ENGINE)
    for name in ("one", "two"):
        await put_back(managed, name)
    nothing = {"status": {"highestReplicas": None, "defaultImage": None}}
    await managed.api.patch(
        VECTOR_ENGINE, Key(managed.namespace, "engine"), nothing, subresource="status"
    )
    await managed.delete("engine", POD_DISRUPTION_BUDGET)
    before = await workload(managed)
    async with running(managed.operator_api, managed.engines, engine_image=NEWER) as operator:
        await all_reconciled(operator, 3)
        for manifest in await managed.ready("one", "two"):
            assert manifest["status"]["claim"]["server"].startswith("instance:")
        assert await workload(managed) == before
        assert await managed.find("engine", POD_DISRUPTION_BUDGET) is not None
        await take_away(managed, "one", "two")
        await managed.gone("engine-1", POD)


async def workload(world: Namespace) -> list[object]:
    """Return what changes when the StatefulSet or one of its pods is touched."""
    pods = [(await world.get(name, POD))["metadata"]["uid"] for name in ("engine-0", "engine-1")]
    stateful_set = await world.get("engine", STATEFUL_SET)
    return [*pods, stateful_set["spec"]["replicas"], stateful_set["metadata"]["generation"]]


@pytest.fixture(scope="module")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the release before, out of the history of this checkout."""
    return before.unpack(tmp_path_factory.mktemp("before"), "operator", "proto", "crds")


@contextmanager
def running_before(release: Path, control_plane: ControlPlane, kubeconfig: Path) -> Iterator[None]:
    """Run the operator of the release before, as a process, and with the CRDs that it brings."""
    process = OperatorProcess(
        kubeconfig,
        release / "log",
        "--resync-period=1",
        environment={"PYTHONPATH": f"{release}/operator:{release}/proto"},
        append=True,
        cwd=release,
    )
    apply_crds(control_plane, release)
    try:
        with process:
            yield
            assert process.is_running
            process.stop()
    finally:
        apply_crds(control_plane, before.ROOT)


def apply_crds(control_plane: ControlPlane, release: Path) -> None:
    crds = f"--filename={release}/crds"
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", crds)


async def test_a_release_is_rolled_back_and_forth(
    world: Namespace,
    neighbour: Namespace,
    client: Milvus1,
    release_before: Path,
    quiver_api: ControlPlane,
    operator_kubeconfig: Path,
) -> None:
    """Whichever of the two runs: it takes what the other has made for its own, of guests as well,
    changes and drops what it is asked to, and no other vectors are lost.
    """
    await world.patch("engine", {"spec": {"allowedNamespaces": {"from": "All"}}}, VECTOR_ENGINE)
    earlier = partial(running_before, release_before, quiver_api, operator_kubeconfig)
    with earlier():
        await made(world, client, "first", "idle")
    async with taken_over(world, {"first": 1, "idle": 1}):
        await made(world, client, "second", "third")
        await made(neighbour, client, "guest")
        await changed(world, ["first", "second"], "this")
        await changed(neighbour, ["guest"], "this")
    idle = await world.get("idle")
    with earlier():
        await changed(world, ["first", "second"], "that")
        await changed(neighbour, ["guest"], "that")
        (fourth,) = await made(world, client, "fourth")
        assert "signature" not in fourth["metadata"]["annotations"][CLAIM_ANNOTATION]
        await take_away(world, "third")
    assert version(await world.get("idle")) == version(idle)
    async with taken_over(world, dict.fromkeys(["first", "second", "fourth", "guest"], 1)):
        await changed(world, ["first", "second", "fourth"], "again")
        await changed(neighbour, ["guest"], "again")
        counted = {name: client.count(name) for name in client.collections()}
        assert counted == dict.fromkeys(["first", "second", "fourth", "guest", "idle"], ROWS)
        await take_away(world, "first", "second", "fourth", "idle")
        await take_away(neighbour, "guest")
    assert client.collections() == []


@asynccontextmanager
async def taken_over(world: Namespace, writes: dict[str, int]) -> AsyncIterator[None]:
    """Run today's operator. Its takeover writes so many statuses of collections, which tell each
    claim its server, and nothing else of them.
    """
    counted = CountedApi(world.operator_api)
    async with running(counted, world.engines) as operator:
        await all_reconciled(operator, len(writes) + 1)
        of_engine = {("engine", "status"), ("engine", "")}
        written = {at: n for at, n in counted.writes.items() if at not in of_engine}
        assert written == {(name, "status"): n for name, n in writes.items()}
        yield


def version(manifest: Manifest) -> str:
    """Return what changes with each write: under other CRDs the same object reads differently."""
    found: str = manifest["metadata"]["resourceVersion"]
    return found


async def made(world: Namespace, client: Milvus1, *names: str) -> list[Manifest]:
    """Have the collections made, and fill them."""
    for name in names:
        await world.create_collection(name)
    manifests = await world.ready(*names)
    for name in names:
        client.insert(name, [[1.0] * 8] * ROWS)
    client.flush(*names)
    return manifests


async def changed(world: Namespace, names: list[str], tag: str) -> None:
    """Ask for another partition in each collection, and wait until it is there."""
    for name in names:
        await world.patch(name, {"spec": {"partitions": [tag]}})
    await world.ready(*names)
    for name in names:
        found = await world.engine.describe(name)
        assert found is not None
        assert found.partitions == {tag}
