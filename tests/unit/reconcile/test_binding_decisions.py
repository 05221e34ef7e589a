"""What is decided about the Secret with which a collection is bound to."""

import base64
from typing import Any

import msgspec
import pytest

from quiver.domain.access import Access, ClientTls, Login
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import (
    ApplySecret,
    CreateCollection,
    DeleteSecret,
    PublishEvent,
    RecordClaim,
)
from support.builders import claimed, collection, external
from support.gathered import ENDPOINT, FOUND, HELD, endpoint, gathered, steps

BINDING = {"binding": {"secretName": "vectors"}}


def secret(*owners: str) -> Manifest:
    owner_references = [{"uid": uid} for uid in owners]
    return {"metadata": {"name": "vectors", "ownerReferences": owner_references}, "data": {}}


def test_a_binding_is_published_as_a_secret() -> None:
    """It tells type, provider, host, port and collection, and belongs to the object."""
    (step,) = decide(gathered(claimed(HELD, spec=BINDING), observed=FOUND)).steps
    assert isinstance(step, ApplySecret)
    entries = {key: base64.b64decode(v).decode() for key, v in step.manifest["data"].items()}
    assert entries == {
        "type": "milvus",
        "provider": "quiver",
        "host": "engine-0.engine.team-a.svc",
        "port": "19530",
        "collection": "test01",
    }
    assert step.manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-of-test01"


def test_a_binding_never_holds_a_login() -> None:
    """Nor a client's key: those are Quiver's own, and applications get theirs elsewhere."""
    tls = ClientTls(b"the CA", b"certificate-of-quiver", b"key-of-quiver")
    access = Access(tls, Login("admin:hush"))
    found = gathered(claimed(HELD, spec=BINDING), observed=FOUND, access=access)
    (step,) = decide(found).steps
    assert isinstance(step, ApplySecret)
    entries = {key: base64.b64decode(v).decode() for key, v in step.manifest["data"].items()}
    assert set(entries) == {"type", "provider", "host", "port", "collection", "tls", "ca.crt"}
    assert [word for word in ("admin", "hush", "-of-quiver") if word in repr(entries)] == []


@pytest.mark.parametrize(
    ("spec", "database"), [({}, "default"), ({"milvus": {"database": "db"}}, "db")]
)
def test_a_binding_to_milvus_tells_the_database(spec: Any, database: str) -> None:
    """And the collection's name in it, as clients want them."""
    of_milvus = msgspec.convert(external(ENDPOINT, spec={"type": "Milvus"}), VectorEngine)
    found = gathered(collection(spec={**BINDING, **spec}), engine=of_milvus, member=endpoint())
    secrets = [step.manifest for step in decide(found).steps if isinstance(step, ApplySecret)]
    entries = {key: base64.b64decode(v).decode() for key, v in secrets[0]["data"].items()}
    assert (entries["database"], entries["collection"]) == (database, "test01")


def test_a_secret_of_somebody_else_is_left_alone() -> None:
    """The object is Stalled, the message names the Secret, and the collection is made anyway."""
    found = gathered(claimed(HELD, spec=BINDING), observed=FOUND, secrets={"vectors": secret()})
    decision = decide(found)
    assert (decision.steps, decision.verdict.reason) == ((), Reason.BINDING_CONFLICT)
    assert "'vectors'" in decision.verdict.message
    new = gathered(collection(spec=BINDING), secrets={"vectors": secret()})
    assert steps(new) == [RecordClaim, CreateCollection, PublishEvent]


def test_a_secret_that_an_object_of_the_same_name_has_left_behind_is_waited_for() -> None:
    """The garbage collector removes it: nobody has to change anything."""
    owner = {"apiVersion": "quiver.dev/v1alpha1", "kind": "VectorCollection", "name": "test01"}
    left = secret()
    left["metadata"]["ownerReferences"] = [{**owner, "uid": "uid-of-the-one-before"}]
    found = gathered(claimed(HELD, spec=BINDING), observed=FOUND, secrets={"vectors": left})
    decision = decide(found)
    assert (decision.steps, decision.retry) == ((), True)
    assert decision.verdict[:2] == (State.RECONCILING, Reason.BINDING_CONFLICT)
    theirs = {**owner, "name": "another", "uid": "uid-of-another"}
    left["metadata"]["ownerReferences"] = [theirs]
    assert decide(found).verdict.state is State.STALLED


def test_a_secret_that_is_not_wanted_any_more_is_deleted() -> None:
    """Only if it is the object's own."""
    manifest = claimed(HELD, status={"binding": {"name": "vectors"}})
    ours, foreign = {"vectors": secret("uid-of-test01")}, {"vectors": secret("another")}
    assert steps(gathered(manifest, observed=FOUND, secrets=ours)) == [DeleteSecret]
    assert steps(gathered(manifest, observed=FOUND, secrets=foreign)) == []
