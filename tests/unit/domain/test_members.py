"""Who the members of an engine are, and how each is dialled."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from quiver.domain.access import PLAIN, Access, ClientTls, Dialled, Target
from quiver.domain.conditions import Verdict
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member, has_had, members_of, ordinal_of
from quiver.domain.reasons import Reason
from support.builders import NAMESPACE, engine, external, pod

REFUSAL = Verdict.stalled(Reason.ENDPOINT_REFUSED, "no engine should be there")
NAMED, LITERAL, SIX = "milvus.example.org:19530", "10.0.0.9:19530", "[fd00::1]:19530"


def parsed(manifest: Manifest) -> VectorEngine:
    return msgspec.convert(manifest, VectorEngine)


def pods(*manifests: Manifest) -> list[Pod]:
    return [msgspec.convert(manifest, Pod) for manifest in manifests]


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [
        ("engine-0", 0),
        ("engine-7", 7),
        ("engine-10", 10),
        ("engine-999999", 999999),
        ("engine-00", None),
        ("engine-01", None),
        ("engine-²", None),
        ("engine-٣", None),
        ("engine-¼", None),
        ("engine-1_0", None),
        ("engine-+1", None),
        ("engine--1", None),
        ("engine- 1", None),
        ("engine-1\n", None),
        ("engine-0x1", None),
        ("engine-1000000", None),
        ("engine-" + "9" * 5000, None),
        ("engine-", None),
        ("engine", None),
        ("", None),
        ("-0", None),
        ("engine-a-0", None),
        ("other-0", None),
        ("Engine-0", None),
        ("milvus.example.org:19530", None),
    ],
)
def test_an_ordinal_is_what_a_stateful_set_counts_with(name: str, ordinal: int | None) -> None:
    """Plain digits without leading zeros, after the engine's own name; all else is no pod of it."""
    assert ordinal_of(name, "engine") == ordinal


def test_an_engines_name_may_end_like_a_pods() -> None:
    """The last part alone is the number."""
    assert ordinal_of("engine-1-2", "engine-1") == 2
    assert ordinal_of("engine-1-2", "engine") is None


@pytest.mark.parametrize(
    ("member", "replicas", "highest", "had"),
    [
        ("engine-0", 1, None, True),
        ("engine-63", 1, None, True),
        ("engine-01", 1, None, False),
        ("other-0", 1, None, False),
        ("10.0.0.9:19530", 1, None, False),
        ("engine-2", 1, 3, True),
        ("engine-3", 1, 3, False),
        ("engine-3", 4, 3, True),
        ("engine-0", 0, 0, False),
        ("engine-0", 0, 1, True),
    ],
)
def test_an_engine_has_had_the_pods_that_it_was_ever_asked_for(
    member: str, replicas: int, highest: int | None, had: bool
) -> None:
    """As its status tells, and its spec before that; where the status tells nothing, any pod."""
    manifest = engine(spec={"replicas": replicas}, status={"highestReplicas": highest})
    assert has_had(parsed(manifest), member) is had


def test_an_external_engine_has_the_endpoints_that_it_lists() -> None:
    """As they are written: a claim remembers these very words."""
    listed = parsed(external(NAMED))
    assert has_had(listed, NAMED)
    assert not has_had(listed, LITERAL)
    assert not has_had(listed, "engine-0")


def test_an_endpoint_is_dialled_where_it_was_found() -> None:
    """Its name is what claims and clients know; what is dialled is an address."""
    access = Access(endpoints={NAMED: Dialled("10.0.0.1:19530")})
    (member,) = members_of(parsed(external(NAMED)), [], access)
    assert member == Member(NAMED, "Quiver", "10.0.0.1:19530", NAMED, ready=True)
    assert member.target() == Target("10.0.0.1:19530", "Quiver", None, NAMED)
    assert member.target().name == NAMED


@pytest.mark.parametrize(
    ("access", "refusal"),
    [
        (PLAIN, None),
        (Access(endpoints={NAMED: Dialled(refusal=REFUSAL)}), REFUSAL),
        (Access(endpoints={NAMED: Dialled("10.0.0.1:19530", REFUSAL)}), REFUSAL),
        (Access(trouble=REFUSAL, endpoints={NAMED: Dialled("10.0.0.1:19530")}), None),
    ],
    ids=["not looked up", "refused", "refused with an address", "a Secret in the way"],
)
def test_an_endpoint_that_is_not_to_be_dialled_is_not_ready(
    access: Access, refusal: Verdict | None
) -> None:
    """And says why, where the endpoint itself is the reason; the others are as they were."""
    endpoints = {**access.endpoints, LITERAL: Dialled(LITERAL)}
    access = Access(trouble=access.trouble, endpoints=endpoints)
    spoilt, other = members_of(parsed(external(NAMED, LITERAL)), [], access)
    assert (spoilt.ready, spoilt.refusal) == (False, refusal)
    assert (other.ready, other.refusal) == (access.trouble is None, None)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [(NAMED, "milvus.example.org"), (LITERAL, "10.0.0.9"), (SIX, "fd00::1")],
)
def test_a_certificate_is_for_what_people_call_the_server(endpoint: str, name: str) -> None:
    """Over TLS the endpoint's own host is checked, whatever address it led to."""
    access = Access(ClientTls(b"ca"), endpoints={endpoint: Dialled("10.9.9.9:19530")})
    (member,) = members_of(parsed(external(endpoint)), [], access)
    assert member.target().tls == ClientTls(b"ca", server_name=name)


def test_pods_are_members_by_their_names() -> None:
    """Those of this engine and namespace that have an address, in order; the rest is not looked at.

    A pod beyond the replicas is leaving.
    """
    stranger = pod("engine-2")
    stranger["metadata"]["namespace"] = "team-b"
    found = members_of(
        parsed(engine()),
        pods(
            pod("engine-1", ip="fd00::1", ready=False),
            pod("engine-²", ip="10.0.0.3"),
            pod("engine-01", ip="10.0.0.4"),
            pod("other-0", ip="10.0.0.5"),
            pod("engine-3", ip=None),
            stranger,
            pod("engine-0"),
        ),
        PLAIN,
    )
    host = f"engine.{NAMESPACE}.svc:19530"
    assert found == (
        Member("engine-0", "Quiver", "10.0.0.7:19530", f"engine-0.{host}", True, "engine-0"),
        Member(
            "engine-1",
            "Quiver",
            "[fd00::1]:19530",
            f"engine-1.{host}",
            False,
            "engine-1",
            leaving=True,
        ),
    )


@pytest.mark.parametrize("manifest", [engine, partial(external, NAMED)], ids=["pod", "endpoint"])
@pytest.mark.parametrize("type_", ["Quiver", "Milvus1"])
def test_a_members_target_has_the_type_of_its_engine(
    manifest: Callable[..., Manifest], type_: str
) -> None:
    """Of a pod and of an endpoint alike: the type chooses the driver."""
    parsed_engine = parsed(manifest(spec={"type": type_}))
    (member,) = members_of(parsed_engine, pods(pod("engine-0")), PLAIN)
    assert member.target().type == type_


@pytest.mark.parametrize("instance", [None, "0" * 32])
def test_a_call_to_a_pod_says_which_engine_it_is_for(instance: str | None) -> None:
    """It is called what it is dialled at, and names the engine that was there before."""
    (member,) = members_of(parsed(engine()), pods(pod()), PLAIN)
    target: Any = member.target(instance)
    assert target == Target("10.0.0.7:19530", "Quiver", None, None, instance)
    assert target.connection == Target("10.0.0.7:19530", "Quiver")
