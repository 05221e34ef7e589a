"""When an engine's NetworkPolicy is applied, deleted and left alone."""

from typing import Any

import msgspec
import pytest

from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.installation import OperatorPods
from quiver.domain.kubernetes_types import NETWORK_POLICY, Manifest
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.decide import decide
from quiver.reconcile.engines.disruption_budget import disruption_budget_for
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.network_policy import network_policy_for
from quiver.reconcile.engines.workload import service_for, stateful_set_for
from support.builders import engine

IMAGE = "registry.example/quiver-engine:1"
PODS = OperatorPods("quiver-system", {"app.kubernetes.io/name": "quiver"})
ENABLED: Manifest = {"networkPolicy": {}}
DISABLED: Manifest = {"networkPolicy": {"enabled": False, "peers": [{"podSelector": {}}]}}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


def parsed(spec: Manifest) -> VectorEngine:
    return msgspec.convert(engine(spec={"replicas": 0, **spec}), VectorEngine)


def stored(spec: Manifest, pods: OperatorPods = PODS) -> Any:
    """Return the NetworkPolicy of an engine as JSON, which is how the API server returns it."""
    return msgspec.json.decode(msgspec.json.encode(network_policy_for(parsed(spec), pods)))


def gathered(spec: Manifest, network_policy: Manifest | None, **facts: Any) -> Gathered:
    """Return an engine of no pods that has its Service and its StatefulSet."""
    found = parsed(spec)
    stateful_set = stateful_set_for(found, image=IMAGE, replicas=0)
    stateful_set["metadata"]["generation"] = 1
    stateful_set["status"] = {"observedGeneration": 1}
    there = {
        "service": service_for(found),
        "stateful_set": stateful_set,
        "disruption_budget": disruption_budget_for(found),
    }
    return Gathered(
        engine=found, operator_pods=PODS, network_policy=network_policy, **{**there, **facts}
    )


def applied(spec: Manifest, live: Manifest | None) -> list[Manifest]:
    """Return the NetworkPolicies that are applied; nothing else is, and nothing is deleted."""
    decision = decide(gathered(spec, live), IMAGE)
    assert decision.deletions == ()
    assert {kind for kind, _ in decision.manifests} <= {NETWORK_POLICY}
    return [manifest for _, manifest in decision.manifests]


def test_it_is_applied_before_the_pods_are_made() -> None:
    """No pod of a new engine is open to everyone for a moment."""
    new = gathered(ENABLED, None, service=None, stateful_set=None)
    kinds = [kind.kind for kind, _ in decide(new, IMAGE).manifests]
    assert kinds == ["NetworkPolicy", "Service", "StatefulSet"]


def test_an_engine_is_ready_while_its_network_policy_is_put_right() -> None:
    """Applying it restarts nothing, and no event of a pod would wake the engine afterwards."""
    decision = decide(gathered(ENABLED, None), IMAGE)
    assert decision.verdict[:2] == (State.READY, Reason.SCALED_TO_ZERO)


@pytest.mark.parametrize("spec", [{}, DISABLED])
def test_without_the_field_or_with_false_there_is_none(spec: Manifest) -> None:
    """Nothing is applied; peers of a disabled policy have no effect."""
    assert applied(spec, None) == []


SELECTOR = {
    "matchLabels": {},
    "matchExpressions": [
        {"key": "team", "operator": "In", "values": ["a", "b"]},
        {"key": "gone", "operator": "DoesNotExist", "values": []},
    ],
}
SPECS: dict[str, Manifest] = {
    "no peers": ENABLED,
    "all namespaces": ENABLED | {"allowedNamespaces": {"from": "All"}},
    "namespaces by labels": ENABLED
    | {"allowedNamespaces": {"from": "Selector", "selector": SELECTOR}},
    "every namespace by labels": ENABLED
    | {"allowedNamespaces": {"from": "Selector", "selector": {}}},
    "peers with parts that are empty": {
        "networkPolicy": {
            "peers": [
                {"podSelector": {}, "namespaceSelector": SELECTOR},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": []}},
            ]
        }
    },
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_nothing_is_written_when_nothing_differs(spec: Manifest) -> None:
    """Whatever the spec contains, the policy that was stored is not applied again."""
    assert applied(spec, stored(spec)) == []


WIDER: dict[str, Any] = {
    "a rule for everyone": lambda spec: spec["ingress"].append({}),
    "another peer": lambda spec: spec["ingress"][0]["from"].append({"namespaceSelector": {}}),
    "another port": lambda spec: spec["ingress"][0]["ports"].append({"port": 9091}),
    "no port": lambda spec: spec["ingress"][0].pop("ports"),
    "fewer pods": lambda spec: spec["podSelector"]["matchLabels"].update(a="b"),
    "every namespace for one": lambda spec: spec["ingress"][0]["from"].__setitem__(
        1, {"namespaceSelector": {}}
    ),
}


@pytest.mark.parametrize("change", WIDER.values(), ids=WIDER)
def test_what_someone_else_allowed_is_taken_back(change: Any) -> None:
    """A rule that was added to the live policy would allow more than the spec."""
    live = stored(ENABLED)
    change(live["spec"])
    assert applied(ENABLED, live) == [network_policy_for(parsed(ENABLED), PODS)]


def test_a_label_that_someone_else_added_is_left() -> None:
    """Labels and annotations of other controllers are no difference."""
    live = stored(ENABLED)
    live["metadata"]["labels"]["theirs"] = "a"
    assert applied(ENABLED, live) == []


def test_other_labels_of_the_operators_pods_are_applied() -> None:
    """After an upgrade with another release name the policy allows the new pods."""
    live = stored(ENABLED, OperatorPods("quiver-system", {"app.kubernetes.io/name": "old"}))
    assert len(applied(ENABLED, live)) == 1


@pytest.mark.parametrize("spec", [{}, DISABLED])
def test_it_is_deleted_when_it_is_no_longer_wanted(spec: Manifest) -> None:
    """Only the one of this very engine is: its owner reference has the engine's uid."""
    live = stored(ENABLED)
    decision = decide(gathered(spec, live), IMAGE)
    assert decision.deletions == ((NETWORK_POLICY, live),)
    assert decision.manifests == ()


@pytest.mark.parametrize("owners", [[], [{"uid": "uid-of-another"}]])
def test_one_of_another_owner_is_left_alone(owners: list[Manifest]) -> None:
    """Though it has this engine's name and labels. Where the engine needs the name, it is Stalled
    and nothing is applied: without the policy its pods would be open to everyone.
    """
    live = stored(ENABLED)
    del live["metadata"]["annotations"]
    live["metadata"]["ownerReferences"] = owners
    assert applied({}, live) == []
    decision = decide(gathered(ENABLED, live, service=None, stateful_set=None), IMAGE)
    assert decision.verdict[:2] == (State.STALLED, Reason.NAME_TAKEN)
    assert "A NetworkPolicy 'engine'" in decision.verdict.message
    assert (decision.manifests, decision.deletions) == ((), ())


def test_metrics_are_at_the_port_of_the_engines_type() -> None:
    """Peers reach the HTTP port of the pods, which differs by type, and no others do."""
    peers = {"networkPolicy": {"peers": [PROMETHEUS]}}
    specs = {
        "Quiver": peers,
        "Milvus1": {**peers, "type": "Milvus1", "image": "m"},
        "Milvus": {**peers, "type": "Milvus", "image": "m"},
        "none": ENABLED,
    }
    ports = {
        name: [rule["ports"][0]["port"] for rule in stored(spec)["spec"]["ingress"]]
        for name, spec in specs.items()
    }
    assert ports == {
        "Quiver": [19530, 9091],
        "Milvus1": [19530, 19121],
        "Milvus": [19530, 9091],
        "none": [19530],
    }
