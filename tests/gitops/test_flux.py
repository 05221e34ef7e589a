"""Quiver under Flux: its real controllers, a Git server, a cluster with nodes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from localcluster import ControlPlane
from quiver_proto import milvus_pb2 as pb
from support.gitops import Object, Sync, condition, made_at, since
from support.milvus1_client import Milvus1
from support.waiting import wait_until

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("node"), pytest.mark.timeout(600)]

ENGINE = {"name": "shared", "namespace": "vectors"}
OPERATOR = "system:serviceaccount:quiver-system:quiver"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
ALL = ("flux-system", "infrastructure", "teams")
PLATFORM = ("quiver-system", "search-staging")
KINDS = "vectorcollections,vectorengines,statefulsets,services,poddisruptionbudgets,deployments"
HOUR = 30
"""Reconciles in an hour at an interval of two minutes, which is short for Flux: ten are usual."""


def collection(name: str, **spec: Any) -> Object:
    body = {"engineRef": ENGINE, "dimension": 8, **spec}
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": {"name": name},
        "spec": body,
    }


def versions(platform: Sync) -> dict[str, str]:
    """The resource versions of all that Quiver and Flux look after in the platform's namespaces."""
    found = {}
    for place in PLATFORM:
        for each in replace(platform, namespace=place).list(KINDS):
            metadata = each["metadata"]
            found[f"{each['kind']}/{place}/{metadata['name']}"] = metadata["resourceVersion"]
    return found


def writes(plane: ControlPlane, start: int) -> list[str]:
    """What the operator wrote there, and anybody to Quiver's objects, since `start` of the audit
    log.
    """
    assert plane.audit_log is not None
    found = []
    with plane.audit_log.open() as log:
        log.seek(start)
        for line in log:
            entry = json.loads(line)
            target, who = entry.get("objectRef", {}), entry["user"]["username"]
            ours = who == OPERATOR or target.get("apiGroup") == "quiver.dev"
            ticks = target.get("resource") in ("events", "leases")
            tried = "dryRun=All" in entry["requestURI"]
            written = entry["verb"] in WRITES and not ticks and not tried
            if written and ours and target.get("namespace") in PLATFORM:
                found.append(f"{who} {entry['verb']} {entry['requestURI']}")
    return found


@contextmanager
def connected(engine: Sync) -> Iterator[Milvus1]:
    """A client of the shared engine's pod."""
    address = engine.get("pod", "shared-0")["status"]["podIP"]
    client = Milvus1(f"{address}:19530")
    yield client
    client.close()


def test_operator_engine_and_collections_come_up_in_order(platform: Sync) -> None:
    """From the layout that we show: teams begin once the operator is Ready, and their Kustomization
    is Ready only when their engine and collections are.
    """
    operator = replace(platform, namespace="quiver-system").get("deployment", "quiver")
    search = replace(platform, namespace="search-staging")
    engines, collections = search.list("vectorengines"), search.list("vectorcollections")
    made = {each["metadata"]["name"] for each in [*engines, *collections]}
    assert made == {"staging-main", "staging-articles", "staging-products"}
    assert since(operator, "Available") <= min(map(made_at, engines))
    healthy = since(platform.get("kustomization", "teams"), "Healthy")
    assert max(map(since, [*engines, *collections])) <= healthy


def test_collections_wait_for_an_engine_that_waits_for_gpus(team: Sync) -> None:
    """While an engine waits, its Kustomization is not Ready, and the one that depends on it applies
    nothing. Both get Ready by themselves once a commit lets the engine start.
    """
    engine: Object = {"apiVersion": "quiver.dev/v1alpha1", "kind": "VectorEngine"}
    engine["metadata"] = {"name": "main", "namespace": team.namespace}
    docs = collection("docs", engineRef={"name": "main"})
    files = {
        "engine/main.yaml": {**engine, "spec": {"gpu": {"count": 3}}},
        "vectors/docs.yaml": docs,
    }
    team.push("Ask for more GPUs than there are", files)
    team.kustomize("engine", "./engine", timeout="30s", retryInterval="1s")
    depends = {"dependsOn": [{"name": "engine"}], "targetNamespace": team.namespace}
    team.kustomize("vectors", "./vectors", **depends)
    named = f"VectorEngine/{team.namespace}/main status: 'InProgress'"
    team.says("engine", "False", "timeout waiting for", named)
    assert condition(team.get("vectorengine", "main"))["reason"] == "Unschedulable"
    team.says("vectors", "False", "dependency", "is not ready")
    assert team.list("vectorcollections") == []
    files = {"engine/main.yaml": {**engine, "spec": {"gpu": {"count": 1}}}}
    team.ready("engine", team.push("Ask for one", files))
    team.ready("vectors")
    assert condition(team.get("vectorcollection", "docs"))["status"] == "True"


def test_what_is_stalled_fails_at_once(vectors: Sync) -> None:
    """A collection that only a change can help does not use up the timeout of five minutes: the
    Kustomization names it within seconds, and the object says why.
    """
    vectors.push("Adopt nothing", {"vectors/docs.yaml": collection("docs", collectionName="taken")})
    vectors.ready("vectors")
    double = collection("double", collectionName="taken")
    vectors.push("Take the same name", {"vectors/double.yaml": double})
    named = f"VectorCollection/{vectors.namespace}/double"
    failed = vectors.says("vectors", "False", "failed early due to stalled resources", named)
    assert (since(failed) - made_at(vectors.get("vectorcollection", "double"))).seconds < 30
    said = condition(vectors.get("vectorcollection", "double"), "Stalled")["message"]
    assert "taken" in said
    revision = vectors.push("Take it back", {"vectors/double.yaml": None})
    vectors.ready("vectors", revision)


def test_a_fixed_field_is_refused_in_the_words_of_the_crd(vectors: Sync) -> None:
    """The Kustomization's status has our message; nothing of the commit is applied, and all that
    was there stays as it is until the commit is taken back.
    """
    files = {f"vectors/{name}.yaml": collection(name) for name in ("docs", "more")}
    revision = vectors.push("Begin", files)
    vectors.ready("vectors", revision)
    before = {each["metadata"]["name"]: each for each in vectors.list("vectorcollections")}
    changed = {"vectors/docs.yaml": collection("docs", dimension=16)}
    changed["vectors/more.yaml"] = collection("more", partitions=["y2026"])
    revision = vectors.push("Change a fixed field", changed)
    ours = ".spec.dimension is fixed when the collection is created"
    vectors.says("vectors", "False", "VectorCollection", ours, revision=revision)
    after = {each["metadata"]["name"]: each for each in vectors.list("vectorcollections")}
    assert after == before
    revision = vectors.push("Correct it", {"vectors/docs.yaml": collection("docs")})
    vectors.ready("vectors", revision)
    assert vectors.get("vectorcollection", "more")["spec"]["partitions"] == ["y2026"]


def test_pruning_does_what_the_deletion_policy_says(vectors: Sync, shared_engine: Sync) -> None:
    """Files that go from Git take a collection with them, leave it on the engine, or wait until it
    is empty; meanwhile the Kustomization is Ready.
    """
    policies = {"gone": "Delete", "left": "Retain", "full": "DeleteIfEmpty"}
    names = {name: f"{name}_{vectors.namespace.replace('-', '_')}" for name in policies}
    files: dict[str, Any] = {
        f"vectors/{name}.yaml": collection(name, deletionPolicy=policy, collectionName=names[name])
        for name, policy in policies.items()
    }
    vectors.ready(
        "vectors", vectors.push("Begin", {**files, "vectors/keep.yaml": collection("keep")})
    )
    with connected(shared_engine) as client:
        assert client.insert(names["full"], [[0.0] * 8]).status.error_code == pb.SUCCESS
        client.flush(names["full"])
        vectors.ready("vectors", vectors.push("Remove three", dict.fromkeys(files)))
        vectors.gone("vectorcollection", "gone")
        vectors.gone("vectorcollection", "left")

        def waits() -> bool:
            return condition(vectors.get("vectorcollection", "full")).get("reason") == "NotEmpty"

        wait_until(waits, "the third waits until it is empty", every_s=0.5)
        assert [client.has(names[name]) for name in policies] == [False, True, True]
        vectors.kubectl(
            *("patch", "vectorcollection", "full", "--type=merge"),
            '--patch={"spec":{"deletionPolicy":"Delete"}}',
        )
        vectors.gone("vectorcollection", "full")
        assert client.drop(names["left"]).error_code == pb.SUCCESS
    assert condition(vectors.get("vectorcollection", "keep"))["status"] == "True"


def test_an_hour_of_reconciles_writes_nothing(platform: Sync) -> None:
    """Thirty reconciles of each Kustomization, an hour's at an interval of two minutes: neither the
    operator nor Flux writes to Quiver's objects, and none of them changes at all.
    """
    log = platform.plane.audit_log
    assert log is not None
    before, start = versions(platform), log.stat().st_size
    for _ in range(HOUR):
        asked = {name: platform.request(f"kustomization/{name}") for name in ALL}

        def handled(asked: Mapping[str, str] = asked) -> bool:
            found = {each["metadata"]["name"]: each for each in platform.list("kustomizations")}
            return all(
                found[name]["status"].get("lastHandledReconcileAt") == request
                and condition(found[name])["status"] == "True"
                for name, request in asked.items()
            )

        wait_until(handled, "all are reconciled", every_s=0.2)
    assert versions(platform) == before
    assert writes(platform.plane, start) == []
