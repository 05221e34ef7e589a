"""Which rights the chart gives the operator, and where."""

from typing import Any

import pytest

NAMESPACED = {"watchNamespaces": ["team-a", "team-b"]}
SECRETS = "team:quiver-secrets"


def bindings(chart: Any, values: Any = None) -> set[tuple[str, str, str]]:
    """Return each binding of the operator: kind, namespace and the name of the role."""
    return {
        (found["kind"], found["metadata"].get("namespace", ""), found["roleRef"]["name"])
        for found in chart.render(values)
        if found["kind"] in ("RoleBinding", "ClusterRoleBinding")
    }


def test_a_cluster_wide_release_has_no_right_to_secrets(chart: Any) -> None:
    """The role is there for admins of namespaces to bind, and bound nowhere."""
    assert bindings(chart) == {
        ("ClusterRoleBinding", "", "team:quiver"),
        ("RoleBinding", "team", "quiver"),
    }
    [rule] = chart.one("ClusterRole", suffix="-secrets")["rules"]
    assert (rule["resources"], rule["verbs"]) == (["secrets"], ["get", "create", "patch", "delete"])


@pytest.mark.parametrize(
    ("secrets", "added"),
    [
        ({"namespaces": ["a", "b", "a"]}, {("RoleBinding", n, SECRETS) for n in ("a", "b")}),
        ({"clusterWide": True}, {("ClusterRoleBinding", "", SECRETS)}),
    ],
    ids=["listed", "cluster-wide"],
)
def test_secrets_are_given_where_a_value_says_so(chart: Any, secrets: Any, added: Any) -> None:
    """In the namespaces of the list, or in all of them."""
    assert bindings(chart, {"rbac": {"secrets": secrets}}) - bindings(chart) == added


def test_a_release_for_namespaces_has_roles_alone(chart: Any) -> None:
    """A Role and a binding in each namespace and in its own, nothing that is of the whole cluster
    but for the CRDs with the right to read one, and the rights of users, which have switches of
    their own.
    """
    without_crds = {**NAMESPACED, "crds": {"enabled": False}}
    assert bindings(chart, without_crds) == {
        ("RoleBinding", "team-a", "team:quiver"),
        ("RoleBinding", "team-b", "team:quiver"),
        ("RoleBinding", "team", "quiver"),
    }
    without = {**without_crds, "rbac": {"aggregate": False}}
    outside = [f for f in chart.render(without) if "namespace" not in f["metadata"]]
    assert outside == []
    for found in chart.render(NAMESPACED):
        if found["kind"] == "Role":
            assert [r for r in found["rules"] if "nodes" in r["resources"]] == []


def test_a_release_for_namespaces_reads_the_crd_that_it_brings(chart: Any) -> None:
    """That right is the only one that the operator has in the whole cluster."""
    added = {("ClusterRoleBinding", "", "team:quiver")}
    without = {**NAMESPACED, "crds": {"enabled": False}}
    assert bindings(chart, NAMESPACED) - bindings(chart, without) == added
    [role] = [
        found
        for found in chart.render(NAMESPACED)
        if (found["kind"], found["metadata"]["name"]) == ("ClusterRole", "team:quiver")
    ]
    assert role["rules"] == [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": ["vectorcollections.quiver.dev"],
            "verbs": ["get"],
        }
    ]


def test_a_release_for_namespaces_watches_those(chart: Any) -> None:
    """The operator is told each of them once, and of no role that does not exist."""
    arguments = chart.container({"watchNamespaces": ["team-a", "team-b", "team-a"]})["args"]
    namespaces = ["--namespace=team-a", "--namespace=team-b"]
    assert [given for given in arguments if given.startswith("--namespace")] == namespaces
    assert f"--secrets-role={SECRETS}" in arguments
    without = chart.container({"rbac": {"create": False}})["args"]
    assert [given for given in without if given.startswith("--secrets-role")] == []


def test_a_release_for_namespaces_lets_their_admins_give_secrets(chart: Any) -> None:
    """Each namespace has the Role; those of the list have it bound."""
    values = {**NAMESPACED, "rbac": {"secrets": {"namespaces": ["team-b"]}}}
    roles = {
        (found["metadata"]["namespace"], found["metadata"]["name"])
        for found in chart.render(values)
        if found["kind"] == "Role"
    }
    assert {("team-a", SECRETS), ("team-b", SECRETS)} <= roles
    added = bindings(chart, values) - bindings(chart, NAMESPACED)
    assert added == {("RoleBinding", "team-b", SECRETS)}


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({"clusterWide": True}, "clusterWide must be false with watchNamespaces"),
        ({"namespaces": ["team-c"]}, 'lists "team-c" and watchNamespaces does not'),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    chart: Any, helm_error: type[Exception], secrets: Any, words: str
) -> None:
    """Helm says which, and what to do."""
    with pytest.raises(helm_error, match=words):
        chart.render({**NAMESPACED, "rbac": {"secrets": secrets}})


def test_no_role_of_the_operator_lists_nodes_or_namespaces(chart: Any) -> None:
    """They are read one by one, by name."""
    for values in ({}, NAMESPACED):
        rules = [
            rule
            for found in chart.render(values)
            if found["kind"] in ("Role", "ClusterRole")
            for rule in found["rules"]
            if {"nodes", "namespaces"} & {*rule["resources"]}
        ]
        assert rules
        assert [rule["verbs"] for rule in rules] == [["get"]] * len(rules)
