"""What becomes of collections and engines that a commit takes out of Git, under Flux."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from quiver_proto import milvus_pb2 as pb
from support.gitops import SHARED, Sync, condition, guest
from support.manifests import collection, engine
from support.milvus1_client import Milvus1
from support.waiting import wait_until

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("node"), pytest.mark.timeout(300)]

GITOPS = Path(__file__).parents[2] / "manifests" / "gitops"
NAMESPACE = GITOPS / "teams" / "search" / "staging" / "namespace.yaml"
UNPROTECTED = '{"spec":{"deletionProtection":false}}'
"""The patch that our message names."""


@contextmanager
def client_of(engine: Sync) -> Iterator[Milvus1]:
    """A client of the shared engine's pod."""
    address = engine.get("pod", f"{SHARED['name']}-0")["status"]["podIP"]
    client = Milvus1(f"{address}:19530")
    yield client
    client.close()


def refused(team: Sync, name: str, kind: str, revision: str) -> None:
    """Wait until the status of Kustomization `vectors` has our message: what is protected, and what
    to do.
    """
    ours = f".spec.deletionProtection of {kind} {name} is true; to delete it, set that to false"
    cure = f"{name} -n {team.namespace} --type=merge -p {UNPROTECTED}"
    failed = team.says("vectors", "False", "delete failed", ours, cure, revision=revision)
    assert condition(failed)["reason"] == "PruneFailed"


def test_pruning_does_what_the_deletion_policy_says(vectors: Sync, shared_engine: Sync) -> None:
    """Files that go from Git take a collection with them, leave it on the engine, or wait until it
    is empty; meanwhile the Kustomization is Ready.
    """
    policies = {"gone": "Delete", "left": "Retain", "full": "DeleteIfEmpty"}
    names = {name: f"{name}_{vectors.namespace.replace('-', '_')}" for name in policies}
    files: dict[str, Any] = {
        f"vectors/{name}.yaml": guest(name, deletionPolicy=policy, collectionName=names[name])
        for name, policy in policies.items()
    }
    vectors.ready("vectors", vectors.push("Begin", {**files, "vectors/keep.yaml": guest("keep")}))
    with client_of(shared_engine) as client:
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


def test_what_is_protected_is_not_pruned(team: Sync, shared_engine: Sync) -> None:
    """A commit that removes a protected collection, and the namespace, which the layout has Flux
    keep, fails its Kustomization in our words and takes nothing. One that brings the files back
    mends that; the collection goes by one that takes the protection off first.
    """
    name = f"docs_{team.namespace.replace('-', '_')}"
    docs = guest("docs", collectionName=name, deletionProtection=True)
    namespace = yaml.safe_load(NAMESPACE.read_text())
    namespace["metadata"]["name"] = team.namespace
    files: dict[str, Any] = {"vectors/docs.yaml": docs, "vectors/namespace.yaml": namespace}
    revision = team.push("Begin", {**files, "vectors/keep.yaml": guest("keep")})
    team.kustomize("vectors", "./vectors")
    team.ready("vectors", revision)
    before = team.get("vectorcollection", "docs")
    with client_of(shared_engine) as client:
        assert client.insert(name, [[0.0] * 8]).status.error_code == pb.SUCCESS
        client.flush(name)
        revision = team.push("Remove both", dict.fromkeys(files))
        refused(team, "docs", "VectorCollection", revision)
        team.ready("vectors", team.push("Take that back", files))
        assert team.get("vectorcollection", "docs") == before
        assert client.count(name) == 1
        docs["spec"]["deletionProtection"] = False
        team.ready("vectors", team.push("Protect it no more", files))
        team.ready("vectors", team.push("Remove both", dict.fromkeys(files)))
        team.gone("vectorcollection", "docs")
        assert not client.has(name)
    assert condition(team.get("vectorcollection", "keep"))["status"] == "True"


def test_an_engine_goes_with_its_collections_once_nothing_protects_them(vectors: Sync) -> None:
    """A commit that removes all of them takes what is not protected. The commands in the messages
    take the protection off; the next reconcile takes engine and collections, in whatever order.
    """
    files = {
        "vectors/engine.yaml": engine(deletionProtection=True),
        "vectors/kept.yaml": collection("kept", deletionProtection=True),
        "vectors/more.yaml": collection("more"),
        "vectors/keep.yaml": guest("keep"),
    }
    vectors.ready("vectors", vectors.push("Begin", files))
    nothing = {name: None for name in files if name != "vectors/keep.yaml"}
    revision = vectors.push("Remove them", nothing)
    refused(vectors, "engine", "VectorEngine", revision)
    refused(vectors, "kept", "VectorCollection", revision)
    vectors.gone("vectorcollection", "more")
    for kind, name in (("vectorengines", "engine"), ("vectorcollections", "kept")):
        found = vectors.get(kind, name)
        assert "deletionTimestamp" not in found["metadata"]
        assert condition(found)["status"] == "True"
        vectors.kubectl("patch", kind, name, "--type=merge", "-p", UNPROTECTED)
    vectors.reconcile("vectors")
    for kind, name in (
        ("vectorcollection", "kept"),
        ("vectorengine", "engine"),
        ("statefulset", "engine"),
    ):
        vectors.gone(kind, name)
    vectors.ready("vectors", revision)
