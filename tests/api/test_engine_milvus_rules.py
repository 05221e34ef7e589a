"""What a VectorEngine of type Milvus may say, and what only such an engine may say."""

from __future__ import annotations

from typing import Any

import pytest

EXTERNAL = {"type": "Milvus", "external": {"endpoints": ["milvus.team.svc:19530"]}}
PODS = {"type": "Milvus", "image": "milvusdb/milvus:v2.6.4"}
AUTH = {"auth": {"secretName": "milvus-login"}}
LIMIT = "spec.limits.maxCollectionsAndPartitions"
MIB = "spec.milvus.segmentMaxSize"


def limited(number: int) -> Any:
    return {"limits": {"maxCollectionsAndPartitions": number}}


ACCEPTED = {
    "a Milvus of others": EXTERNAL,
    "one that wants a login": EXTERNAL | AUTH,
    "one over TLS with public CAs and a login": EXTERNAL | AUTH | {"tls": {}},
    "one over mutual TLS": EXTERNAL | {"tls": {"caSecretName": "ca", "clientSecretName": "client"}},
    "all that only Milvus has": EXTERNAL
    | {"milvus": {"createDatabases": True, "segmentMaxSize": 512}},
    "nothing of what only Milvus has": EXTERNAL | {"milvus": {}},
    "as many collections as Milvus takes": EXTERNAL | limited(65536),
    "a pod": PODS,
    "a pod with a GPU and a volume": PODS | {"gpu": {}, "storage": {"size": "10Gi"}},
    "no pod": PODS | {"replicas": 0},
}
REFUSED = {
    "two endpoints": (
        {"type": "Milvus", "external": {"endpoints": ["a.example.org:1", "b.example.org:1"]}},
        "spec.external.endpoints",
        "one engine, one member",
    ),
    "a pod without image": ({"type": "Milvus"}, "spec.image", "required for type Milvus,"),
    "two pods": (PODS | {"replicas": 2}, "spec.replicas", "must be 0 or 1 for pods of type Milvus"),
    "a pod over TLS": (
        PODS | {"tls": {"secretName": "engine-tls"}},
        "spec.tls",
        "must not be given for pods of type Milvus,",
    ),
    "a login to a pod": (PODS | AUTH, "spec.auth", "Quiver runs them without users"),
    "a login to Quiver's engine": (AUTH, "spec.auth", "another type than Milvus"),
    "a login to Milvus 1.x": (
        EXTERNAL | AUTH | {"type": "Milvus1"},
        "spec.auth",
        "another type than Milvus",
    ),
    "a login without a Secret": (EXTERNAL | {"auth": {}}, "spec.auth.secretName", "Required value"),
    "a Secret of no name": (
        EXTERNAL | {"auth": {"secretName": "A_B"}},
        "spec.auth.secretName",
        "should match",
    ),
    "databases of Quiver's engine": (
        {"milvus": {"createDatabases": True}},
        "spec.milvus",
        "another type than Milvus",
    ),
    "segments of 0 MB": (EXTERNAL | {"milvus": {"segmentMaxSize": 0}}, MIB, "equal to 1"),
    "segments of 131073 MB": (
        EXTERNAL | {"milvus": {"segmentMaxSize": 131073}},
        MIB,
        "equal to 131072",
    ),
    "more than Milvus takes": (EXTERNAL | limited(65537), LIMIT, "equal to 65536"),
    "more than Quiver's engine takes": (limited(8193), LIMIT, "at most 8192"),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(engines: Any, spec: Any) -> None:
    """A Milvus of others, or a standalone one in a pod, is accepted."""
    assert engines.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """What Milvus cannot do, or only Milvus can, is refused at the wrong field and only there."""
    engines.check_refused(spec, field, words)


@pytest.mark.parametrize("type_", ["Quiver", "Milvus1"])
def test_no_engine_becomes_a_milvus(engines: Any, type_: str) -> None:
    """The type is fixed, in both directions."""
    before = EXTERNAL | {"type": type_}
    for spec, change in ((before, {"type": "Milvus"}), (EXTERNAL, {"type": type_})):
        [refusal] = engines.try_change(spec, change)
        assert refusal.field == "spec.type"
        assert "create a VectorEngine of another name" in refusal.message


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (EXTERNAL, AUTH),
        (EXTERNAL | AUTH, {"auth": {"secretName": "other"}}),
        (EXTERNAL | AUTH, {"auth": None}),
        (EXTERNAL, {"milvus": {"createDatabases": True, "segmentMaxSize": 1}}),
        (EXTERNAL, {"external": {"endpoints": ["moved.team.svc:19530"]}}),
    ],
)
def test_login_and_settings_may_be_changed(engines: Any, before: Any, change: Any) -> None:
    """All that only Milvus has may be changed at any time, and its endpoint may move."""
    assert engines.try_change(before, change) == []


def test_no_database_is_created_by_default(engines: Any) -> None:
    """What is absent of spec.milvus is stored as its default."""
    created = engines.create(EXTERNAL | {"milvus": {}}, dry_run="All")
    assert created["spec"]["milvus"] == {"createDatabases": False}
