"""What is decided about an engine of type Milvus, as far as it is another than of other types."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from quiver.domain.clear_credentials import clear_condition
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Condition, Manifest
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.decide import decide
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.reports import Looks
from quiver.reconcile.engines.version import version_of
from support.builders import INSTALLATION, engine

AT = "milvus.team.svc:19530"
EXTERNAL = {"type": "Milvus", "external": {"endpoints": [AT]}}
AUTH = {"auth": {"secretName": "login"}}
PODS = {"type": "Milvus", "image": "milvusdb/milvus:v2.6.4"}
REFUSED = Looks(refused={AT: "auth check failure"})


def gathered(spec: Manifest, status: Manifest | None = None, **facts: Any) -> Gathered:
    parsed = msgspec.convert(engine(spec=spec, status=status), VectorEngine)
    return Gathered(engine=parsed, operator_pods=INSTALLATION.operator_pods, **facts)


def verdict(found: Gathered) -> Any:
    return decide(found, "image:1").verdict


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (AUTH, "spec.auth must not be given for another type"),
        ({"milvus": {}}, "spec.milvus must not be given for another type"),
        (EXTERNAL | {"type": "Milvus1"} | AUTH, "spec.auth must not be given"),
        ({"limits": {"maxCollectionsAndPartitions": 8193}}, "must be at most 8192"),
        (
            {"type": "Milvus", "external": {"endpoints": [AT, "b.example.org:1"]}},
            "must have exactly one entry for type Milvus",
        ),
        ({"type": "Milvus", "external": {"endpoints": []}}, "must have exactly one entry"),
        (PODS | {"replicas": 2}, "must be 0 or 1 for pods of type Milvus"),
        ({"type": "Milvus"}, "spec.image is required for type Milvus"),
    ],
)
def test_what_a_loose_crd_lets_through_is_refused(spec: Manifest, words: str) -> None:
    """Nothing is applied, and the message says what to do."""
    decision = decide(gathered(spec), "image:1")
    assert decision.verdict[:2] == (State.STALLED, Reason.INVALID_SPEC)
    assert words in decision.verdict.message
    assert (decision.manifests, decision.retry) == ((), False)


@pytest.mark.parametrize(
    ("spec", "limit"),
    [
        ({}, 4096),
        (EXTERNAL, 65536),
        (EXTERNAL | {"limits": {"maxCollectionsAndPartitions": 9000}}, 9000),
        ({"limits": {"maxCollectionsAndPartitions": 8192}}, 8192),
        (PODS | {"limits": {}}, 65536),
    ],
)
def test_a_milvus_holds_more(spec: Manifest, limit: int) -> None:
    """As many collections and partitions as Milvus takes, if no other number is given."""
    assert msgspec.convert(engine(spec=spec), VectorEngine).spec.member_limit == limit


def test_an_engine_that_refuses_the_login_is_stalled() -> None:
    """The message quotes the server and names the Secret, and the engine is asked again."""
    decision = decide(gathered(EXTERNAL | AUTH, looks=REFUSED), "image:1")
    assert decision.verdict[:2] == (State.STALLED, Reason.CREDENTIALS_REFUSED)
    assert decision.retry
    for words in ("auth check failure", "'login'", "Correct the Secret, or the user"):
        assert words in decision.verdict.message


def test_an_engine_that_wants_a_login_says_how_it_gets_one() -> None:
    """It was never given any."""
    found = verdict(gathered(EXTERNAL, looks=REFUSED))
    assert found[:2] == (State.STALLED, Reason.CREDENTIALS_REFUSED)
    assert "Create a Secret of type quiver.dev/engine-auth" in found.message


def test_a_server_that_has_no_users_is_not_given_one() -> None:
    """Something else listens there: no Secret would help."""
    found = verdict(gathered({"external": {"endpoints": [AT]}}, looks=REFUSED))
    assert found[:2] == (State.STALLED, Reason.CREDENTIALS_REFUSED)
    assert "No server of type Quiver has users: look what listens there" in found.message
    assert "Secret" not in found.message


def test_a_pod_that_refuses_the_login_says_so_too() -> None:
    """The workload is applied all the same."""
    decision = decide(gathered({}, looks=Looks(refused={"engine-0": "no"})), "image:1")
    assert decision.verdict.reason is Reason.CREDENTIALS_REFUSED
    assert decision.manifests
    assert decision.retry


@pytest.mark.parametrize(
    ("spec", "looks", "before", "version"),
    [
        (EXTERNAL, Looks({AT: "v2.6.4"}), None, "v2.6.4"),
        (EXTERNAL, Looks({AT: "v2.6.4"}), "v2.5.1", "v2.6.4"),
        (EXTERNAL, Looks(silent={AT: "no"}), "v2.5.1", "v2.5.1"),
        (EXTERNAL, REFUSED, None, None),
        (EXTERNAL, Looks({AT: "v2\n" + "x" * 10**6}), None, "v2 " + "x" * 60 + "…"),
        (EXTERNAL, Looks({AT: ""}), "v2.5.1", None),
        (EXTERNAL | {"type": "Milvus1"}, Looks({AT: "1.1.1"}), None, None),
    ],
)
def test_the_version_is_what_the_server_said_last(
    spec: Manifest, looks: Looks, before: str | None, version: str | None
) -> None:
    """In one short line, whatever it says; of other types than Milvus none is kept."""
    status = {"version": before} if before else None
    assert version_of(gathered(spec, status, looks=looks)) == version


def clear(spec: Manifest, *previous: Condition) -> tuple[Condition, ...]:
    parsed = msgspec.convert(engine(spec=spec), VectorEngine)
    return clear_condition(parsed.spec, previous, 7, datetime(2024, 5, 1, tzinfo=UTC))


def test_a_login_in_the_clear_is_warned_of() -> None:
    """As long as the spec has it so; the condition stands since it first did."""
    (found,) = clear(EXTERNAL | AUTH)
    assert (found.type, found.status, found.reason) == ("CredentialsInClear", "True", "NoTLS")
    assert "set spec.tls" in found.message
    later = msgspec.structs.replace(found, last_transition_time="2024-01-01T00:00:00Z")
    (again,) = clear(EXTERNAL | AUTH, later)
    assert again.last_transition_time == "2024-01-01T00:00:00Z"
    assert clear(EXTERNAL | AUTH | {"tls": {}}) == ()
    assert clear(EXTERNAL) == ()
