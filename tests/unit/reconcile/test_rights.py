"""What the operator does where it has fewer rights than it could use, and what it says."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from quiver.adapters.pem import OpenSslPem
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import SECRET, VECTOR_COLLECTION, Key, Manifest
from quiver.domain.reasons import Reason
from quiver.domain.rights import Rights
from quiver.ports.errors import ApiRefused
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import (
    CreateCollection,
    PublishEvent,
    RecordClaim,
    Release,
)
from quiver.reconcile.credentials import Credentials
from support.builders import NAMESPACE, claimed, collection, engine, external, pod
from support.fake_cluster import Cluster
from support.gathered import FOUND, HELD, gathered, steps
from support.gathering import pod_cluster, with_rights

BINDING = {"binding": {"secretName": "vectors"}}
GRANT = (
    "kubectl create rolebinding quiver-secrets --namespace=team-a "
    "--clusterrole=system:quiver-secrets --serviceaccount=system:quiver"
)
REFUSAL = 'secrets "vectors" is forbidden'
RIGHTS = Rights(secrets_role="system:quiver-secrets", service_account="system:quiver")
NAMESPACED = replace(RIGHTS, namespaces=(NAMESPACE,))


def ready(manifest: Manifest) -> Manifest:
    [found] = [c for c in manifest["status"]["conditions"] if c["type"] == "Ready"]
    return dict(found)


async def test_a_binding_without_the_right_to_secrets_stalls_with_the_cure() -> None:
    """The collection is created all the same, and once the right is there the Secret is too."""
    cluster, _ = pod_cluster(collection(spec=BINDING))
    with_rights(cluster, RIGHTS).api.refusals["get Secret vectors"] = REFUSAL
    key = Key(NAMESPACE, "test01")
    await cluster.reconciler.reconcile(key)
    said = ready(cluster.get())
    assert (said["status"], said["reason"]) == ("False", "SecretForbidden")
    assert GRANT in said["message"]
    assert REFUSAL in said["message"]
    assert "placement" in cluster.get()["status"]
    assert "binding" not in cluster.get()["status"]
    cluster.api.refusals.clear()
    await cluster.reconciler.reconcile(key)
    assert ready(cluster.get())["status"] == "True"
    assert (SECRET, Key(NAMESPACE, "vectors")) in cluster.api.objects


async def test_a_published_binding_stays_when_the_right_is_taken_away() -> None:
    """Applications go on using it, and the status goes on naming it."""
    published = {"binding": {"name": "vectors"}}
    manifest = claimed(HELD, spec=BINDING, status=published)
    decision = decide(gathered(manifest, observed=FOUND, secrets_refusal="No. Do this."))
    assert decision.steps == ()
    assert (decision.verdict.state, decision.verdict.reason) == (
        State.STALLED,
        Reason.SECRET_FORBIDDEN,
    )
    assert decision.binding is not None
    assert decision.binding.name == "vectors"


def test_secrets_that_are_not_asked_for_are_in_nobodys_way() -> None:
    """A collection without a binding is created without any right to Secrets."""
    assert steps(gathered(collection())) == [RecordClaim, CreateCollection, PublishEvent]


async def test_an_object_that_goes_needs_no_right_to_secrets() -> None:
    """Its Secret is removed by the garbage collector."""
    deleted = {"deletionTimestamp": "2024-05-02T10:00:00Z"}
    manifest = claimed(HELD, spec={**BINDING, "deletionPolicy": "Retain"}, **deleted)
    cluster, _ = pod_cluster(manifest)
    with_rights(cluster, RIGHTS).api.refusals["get Secret vectors"] = REFUSAL
    await cluster.reconciler.reconcile(Key(NAMESPACE, "test01"))
    assert cluster.cache.get(VECTOR_COLLECTION, Key(NAMESPACE, "test01")) is None


def test_an_object_does_not_go_while_its_engine_is_where_the_operator_does_not_watch() -> None:
    """Its collection may be there still; with Retain it stays there, and the object goes."""
    for policy, finished in (("Delete", False), ("Retain", True)):
        deleted = {"deletionTimestamp": "2024-05-02T10:00:00Z"}
        manifest = claimed(HELD, spec={**BINDING, "deletionPolicy": policy}, **deleted)
        found = gathered(manifest, engine=None, engine_is_watched=False)
        decision = decide(found)
        assert any(isinstance(step, Release) for step in decision.steps) is finished
        assert ("does not watch namespace" in decision.verdict.message) is not finished


class Refusing:
    """An API server that lets nobody read Secrets."""

    async def fetch(self, *_: Any) -> Manifest | None:
        raise ApiRefused("secrets is forbidden")


async def test_tls_without_the_right_to_secrets_stalls_with_the_cure() -> None:
    """The engine says which Secret, in whose words it was refused, and the command."""
    objects: Any = Refusing()
    credentials = Credentials(objects, OpenSslPem(), lambda _: None, RIGHTS)
    spec = {"tls": {"caSecretName": "ca"}}
    secured = msgspec.convert(external("milvus.example.org:19530", spec=spec), VectorEngine)
    trouble = (await credentials.read(secured)).trouble
    assert trouble is not None
    assert (trouble.state, trouble.reason) == (State.STALLED, Reason.SECRET_FORBIDDEN)
    for words in ("'ca'", "spec.tls.caSecretName", "secrets is forbidden", GRANT):
        assert words in trouble.message


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        (RIGHTS, "--clusterrole=system:quiver-secrets"),
        (NAMESPACED, "--role=system:quiver-secrets"),
        (Rights(), "Let the operator's user get, create, patch and delete Secrets there"),
    ],
    ids=["cluster-wide", "namespaces", "by hand"],
)
def test_the_cure_names_what_is_there(rights: Rights, words: str) -> None:
    """A ClusterRole; a Role where there are no ClusterRoles; no command where no role is known."""
    assert words in rights.secrets_cure("team-a")


async def test_no_node_is_read_without_cluster_wide_rights() -> None:
    """Nodes are in no namespace. The GPU's memory stays unknown, and nothing is refused for it."""
    sized = engine(spec={"gpu": {"count": 1}})
    for rights, asked in ((RIGHTS, True), (NAMESPACED, False)):
        placed = pod()
        placed["spec"] = {"nodeName": "gpu-1"}
        cluster, _ = pod_cluster(sized, placed, collection())
        with_rights(cluster, rights)
        await cluster.gather()
        assert ("get Node gpu-1" in cluster.api.calls) is asked


async def test_an_engine_where_the_operator_does_not_watch_is_not_said_to_be_missing() -> None:
    """Whether it exists is unknown: the condition says whom to ask for what."""
    elsewhere = collection(spec={"engineRef": {"name": "engine", "namespace": "team-b"}})
    for rights, words in (
        (NAMESPACED, "does not watch namespace 'team-b'"),
        (RIGHTS, "There is no VectorEngine 'engine'"),
    ):
        cluster = with_rights(Cluster(elsewhere), rights)
        await cluster.reconciler.reconcile(Key(NAMESPACE, "test01"))
        said = ready(cluster.get())
        assert said["reason"] == "EngineNotFound"
        assert words in said["message"]
