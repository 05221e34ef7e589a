"""What a plan says, held against what then happens."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from localcluster import ControlPlane
from machine.engine_process import EngineProcess
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from support import manifests
from support.audit import requests_by, wait_for_marker
from support.manifests import collection
from support.milvus1_client import Milvus1, accepted
from support.namespaces import Namespace
from support.operators import running
from support.planning import Pipeline
from support.tenants import Tenant

HNSW = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
IVF = {"type": "IVF_FLAT", "params": {"nlist": 64}}
ROW = 8 + 4 * 8
"""Bytes of an id and a vector of dimension 8."""


@pytest.fixture
async def pipeline(world: Namespace, quiver_api: ControlPlane) -> AsyncIterator[Pipeline]:
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        yield Pipeline(world, quiver_api)


def filled(client: Milvus1, name: str, rows: int, tag: str = "") -> None:
    client.insert(name, [[float(n)] * 8 for n in range(rows)], tag=tag)
    accepted(client.flush(name))


async def test_a_new_collection_is_created(pipeline: Pipeline) -> None:
    docs = collection("docs", partitions=["a"], index=HNSW)
    planned = await pipeline.plan(docs, {"apiVersion": "v1", "kind": "ConfigMap"})
    assert (planned.code, planned.of("docs")["action"]) == (2, "create")
    assert planned.of("docs")["what"] == [
        f"create collection docs on {pipeline.world.address}",
        "add partition a",
        "build index HNSW (M 16, efConstruction 64)",
    ]
    assert planned.said["ignored"] == {"ConfigMap": 1}
    await pipeline.apply(docs)
    (found,) = await pipeline.world.ready("docs")
    assert found["status"]["origin"] == "Created"
    again = await pipeline.plan(docs)
    assert (again.code, again.actions) == (0, {"docs": "none"})


async def test_partitions_are_added_and_dropped_with_their_rows(
    pipeline: Pipeline, client: Milvus1
) -> None:
    await pipeline.apply(collection("docs", partitions=["old", "kept"]))
    await pipeline.world.ready("docs")
    filled(client, "docs", 3, "old")
    wanted = collection("docs", partitions=["kept", "new"])
    planned = await pipeline.plan(wanted)
    docs = planned.of("docs")
    assert (planned.code, docs["action"], docs["rows"], docs["bytes"]) == (3, "change", 3, 3 * ROW)
    assert docs["what"] == ["add partition new", "drop partition old"]
    assert sorted(client.partitions("docs")) == ["_default", "kept", "old"]
    await pipeline.apply(wanted)
    await pipeline.world.ready("docs")
    assert sorted(client.partitions("docs")) == ["_default", "kept", "new"]


@pytest.mark.parametrize(
    ("policy", "code", "says"),
    [
        ("Retain", 2, "leave partition old on the engine: the deletion policy is Retain"),
        ("DeleteIfEmpty", 2, "keep partition old: not empty, and the deletion policy is"),
    ],
)
async def test_partitions_that_stay_are_not_at_stake(
    pipeline: Pipeline, client: Milvus1, policy: str, code: int, says: str
) -> None:
    await pipeline.apply(collection("docs", partitions=["old"], deletionPolicy=policy))
    await pipeline.world.ready("docs")
    filled(client, "docs", 3, "old")
    wanted = collection("docs", deletionPolicy=policy)
    planned = await pipeline.plan(wanted)
    docs = planned.of("docs")
    assert (planned.code, docs["action"], docs["rows"]) == (code, "change", 0)
    assert docs["what"][0].startswith(says)
    await pipeline.apply(wanted)
    await pipeline.world.settled("docs", "NotEmpty" if policy == "DeleteIfEmpty" else "Available")
    assert "old" in client.partitions("docs")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (None, HNSW, "build index HNSW (M 16, efConstruction 64)"),
        (HNSW, IVF, "replace index HNSW (M 16, efConstruction 64) by IVF_FLAT (nlist 64)"),
        (HNSW, None, "remove index HNSW (M 16, efConstruction 64)"),
    ],
)
async def test_an_index_is_added_replaced_or_removed(
    pipeline: Pipeline, before: dict[str, object], after: dict[str, object], says: str
) -> None:
    await pipeline.apply(collection("docs", **({"index": before} if before else {})))
    await pipeline.world.ready("docs")
    wanted = collection("docs", **({"index": after} if after else {}))
    planned = await pipeline.plan(wanted)
    docs = planned.of("docs")
    assert (planned.code, docs["action"], docs["what"]) == (2, "change", [says])
    assert docs["danger"] == ("INTERRUPTS" if before else "CHANGES")
    await pipeline.apply(wanted)
    await pipeline.world.ready("docs")
    found = await pipeline.world.engine.describe_index("docs")
    assert (found.index.type if found.index else None) == (after["type"] if after else None)


async def test_the_api_server_refuses_in_its_own_words(pipeline: Pipeline) -> None:
    await pipeline.apply(collection("docs"))
    await pipeline.world.ready("docs")
    planned = await pipeline.plan(collection("docs", dimension=16))
    docs = planned.of("docs")
    assert (planned.code, docs["action"]) == (3, "refused")
    with pytest.raises(Exception, match="dimension") as refusal:
        await pipeline.apply(collection("docs", dimension=16))
    words = docs["message"].partition(": ")[2]
    assert words.split(": ")[-1] in " ".join(str(refusal.value).split())


@pytest.mark.parametrize(
    ("dimension", "code", "action", "reason"),
    [(8, 2, "adopt", "Available"), (16, 3, "refused", "AlreadyExists")],
)
async def test_what_is_there_is_adopted_if_it_is_identical(
    pipeline: Pipeline, client: Milvus1, dimension: int, code: int, action: str, reason: str
) -> None:
    accepted(client.create("docs", 8))
    wanted = collection("docs", dimension=dimension, adoptionPolicy="IfIdentical")
    planned = await pipeline.plan(wanted)
    assert (planned.code, planned.of("docs")["action"]) == (code, action)
    await pipeline.apply(wanted)
    found = await pipeline.world.settled("docs", reason)
    assert ("origin" in found["status"]) == (action == "adopt")


async def test_pruning_drops_as_the_policies_say(pipeline: Pipeline, client: Milvus1) -> None:
    """With the rows of what goes; what is kept or protected says so."""
    world, labels = pipeline.world, {"labels": {"team": "search"}}
    specs = {
        "dropped": {},
        "kept": {"deletionPolicy": "Retain"},
        "full": {"deletionPolicy": "DeleteIfEmpty"},
        "protected": {"deletionProtection": True},
        "listed": {},
    }
    for name, spec in specs.items():
        manifest = collection(name, **spec)
        manifest["metadata"] |= labels
        await pipeline.apply(manifest)
    await pipeline.apply(collection("unlabelled"))
    await world.ready(*specs, "unlabelled")
    for name in specs:
        filled(client, name, 5)
    listed = collection("listed")
    listed["metadata"] |= labels
    planned = await pipeline.plan(listed, options=("--prune", "--selector=team=search"))
    assert planned.actions == {
        "dropped": "drop",
        "protected": "refused",
        "kept": "release",
        "full": "waits",
        "listed": "none",
    }
    assert list(planned.actions)[:2] == ["dropped", "protected"]
    assert (planned.code, planned.said["rowsDropped"], planned.of("dropped")["rows"]) == (3, 5, 5)
    assert "deletionProtection" in planned.of("protected")["message"]
    assert sorted(client.collections()) == sorted([*specs, "unlabelled"])
    with pytest.raises(Exception, match="deletionProtection"):
        pipeline.plane.kubectl(
            "delete", "vectorcollection", "protected", f"--namespace={world.namespace}"
        )
    for name in ("dropped", "kept", "full"):
        await world.delete(name)
    await world.gone("dropped")
    await world.gone("kept")
    await world.settled("full", "NotEmpty")
    assert sorted(client.collections()) == ["full", "kept", "listed", "protected", "unlabelled"]
    await world.patch("protected", {"spec": {"deletionProtection": None}})
    await world.patch("full", {"spec": {"deletionPolicy": "Delete"}})


async def test_of_two_that_want_one_name_the_second_is_refused(pipeline: Pipeline) -> None:
    both = [collection(name, collectionName="docs") for name in ("first", "second")]
    planned = await pipeline.plan(*both)
    assert (planned.code, planned.actions) == (3, {"second": "refused", "first": "create"})
    await pipeline.apply(both[0])
    await pipeline.world.ready("first")
    await pipeline.apply(both[1])
    await pipeline.world.says("second", "NameTaken", "first")


async def test_a_collection_waits_for_an_engine_that_is_new_too(pipeline: Pipeline) -> None:
    engine = manifests.engine("pods", storage={"size": "1Gi"})
    docs = collection("docs", engineRef={"name": "pods"})
    planned = await pipeline.plan(engine, docs)
    assert (planned.code, planned.actions) == (2, {"docs": "waits", "pods": "create"})
    assert "is new in these manifests, too" in planned.of("docs")["message"]
    await pipeline.apply(engine, docs)
    await pipeline.world.settled("docs", planned.of("docs")["reason"])


async def test_an_engine_waits_for_its_collections(pipeline: Pipeline) -> None:
    await pipeline.apply(collection("docs"))
    await pipeline.world.ready("docs")
    labelled = {"metadata": {"labels": {"team": "search"}}}
    await pipeline.world.patch("engine", labelled, VECTOR_ENGINE)
    planned = await pipeline.plan(collection("docs"), options=("--prune", "--selector=team=search"))
    assert (planned.code, planned.actions) == (3, {"engine": "refused", "docs": "none"})
    await pipeline.world.delete("engine", VECTOR_ENGINE)
    await pipeline.world.settled(
        "engine", planned.of("engine", "VectorEngine")["reason"], VECTOR_ENGINE
    )


async def test_a_changed_engine_tells_of_its_collections(pipeline: Pipeline) -> None:
    """Also of those that have no manifest here."""
    await pipeline.apply(collection("docs"))
    await pipeline.world.ready("docs")
    engine = manifests.engine(external={"endpoints": ["127.0.0.9:19530"]})
    planned = await pipeline.plan(engine)
    assert (planned.of("docs")["action"], planned.of("docs")["reason"]) == ("refused", "MemberGone")
    await pipeline.apply(engine)
    await pipeline.world.says("docs", "MemberGone")


async def test_an_engine_that_is_down_is_no_half_answer(
    pipeline: Pipeline, engine_process: EngineProcess
) -> None:
    world, chosen = pipeline.world, ("--prune", "--selector=team=search")
    old = collection("old")
    old["metadata"] |= {"labels": {"team": "search"}}
    await pipeline.apply(old)
    await world.ready("old")
    engine_process.kill()
    planned = await pipeline.plan(collection("new"), options=chosen)
    assert (planned.code, planned.said["complete"]) == (1, False)
    assert planned.actions == {"old": "drop", "new": "unknown"}
    assert (planned.of("old")["rows"], planned.said["rowsDropped"]) == (None, None)
    assert "Error: not known: VectorCollection" in planned.errors


async def test_a_plan_writes_nothing(
    pipeline: Pipeline, client: Milvus1, quiver_api: ControlPlane
) -> None:
    """By the API server's audit log, and by what is on the engine."""
    world = pipeline.world
    going = collection("going")
    going["metadata"] |= {"labels": {"team": "search"}}
    await pipeline.apply(going, collection("docs", partitions=["a"]))
    await world.ready("going", "docs")
    filled(client, "going", 5)
    before = await world.get("docs"), await world.get("going"), sorted(client.collections())
    planner = quiver_api.kubeconfig_for(f"planner-{world.namespace}", ["system:masters"])
    wanted = [collection("docs", index=HNSW), collection("new"), manifests.engine("pods")]
    options = ("--prune", "--selector=team=search", f"--kubeconfig={planner}")
    planned = await pipeline.plan(*wanted, options=options)
    assert planned.code == 3
    await wait_for_marker(world, quiver_api, "has-planned")
    after = await world.get("docs"), await world.get("going"), sorted(client.collections())
    assert after == before
    assert (client.partitions("docs"), client.count("going")) == (["_default", "a"], 5)
    sent = requests_by(quiver_api, f"planner-{world.namespace}")
    assert {verb for verb, is_dry in sent if not is_dry} <= {"get", "list"}
    assert {verb for verb, is_dry in sent if is_dry} == {"patch", "delete"}


async def test_what_cannot_be_planned_is_a_line(pipeline: Pipeline, tenant: Tenant) -> None:
    """With exit code 1: YAML that is none, options that are wrong, no rights, no cluster."""
    bad = await asyncio.to_thread(pipeline.text, "kind: VectorCollection\n  name: docs\n")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "Error: stdin:2: not YAML" in bad.stderr
    none = await pipeline.run([], "--prune")
    assert (none.returncode, "--prune needs -l" in none.stderr) == (1, True)
    unknown = await pipeline.run([], "--no-such-option")
    assert unknown.returncode == 1
    lost = await pipeline.run([], "--kubeconfig=/nowhere")
    assert (lost.returncode, "no Kubernetes cluster" in lost.stderr) == (1, True)


async def test_a_tenant_plans_with_its_own_rights(
    pipeline: Pipeline, tenant: Tenant, quiver_api: ControlPlane
) -> None:
    """It may not see the engine of another namespace, and the plan says so."""
    kubeconfig = quiver_api.service_account_kubeconfig(tenant.namespace, "tenant")
    reference = {"name": "engine", "namespace": pipeline.world.namespace}
    own = dataclasses.replace(
        pipeline, world=dataclasses.replace(pipeline.world, namespace=tenant.namespace)
    )
    planned = await own.plan(
        collection("docs", engineRef=reference), options=(f"--kubeconfig={kubeconfig}",)
    )
    assert (planned.code, planned.actions) == (1, {"docs": "unknown"})
    assert "vectorengines" in planned.of("docs")["message"]
    assert "not all namespaces" in planned.said["notes"][0]
