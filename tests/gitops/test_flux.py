"""Quiver under Flux: its real controllers, a Git server, a cluster with nodes."""

import json
from dataclasses import replace

import pytest

from localcluster import ControlPlane
from support.audit import OPERATOR, WRITES
from support.gitops import Sync, condition, guest, made_at, since
from support.manifests import engine

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("node"), pytest.mark.timeout(600)]

FROM_LEAF_TO_ROOT = ("teams", "infrastructure", "flux-system")
"""Each is Ready by then, so that none waits for another until its next look, which is seconds."""
PLATFORM = ("quiver-system", "search-staging")
KINDS = "vectorcollections,vectorengines,statefulsets,services,poddisruptionbudgets,deployments"
HOUR = 12
"""Reconciles in an hour at an interval of five minutes. The layout has longer ones."""


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


def test_what_is_stalled_fails_at_once(vectors: Sync) -> None:
    """A collection that only a change can help does not use up the timeout of five minutes: the
    Kustomization names it within seconds, and the object says why.
    """
    vectors.push("Adopt nothing", {"vectors/docs.yaml": guest("docs", collectionName="taken")})
    vectors.ready("vectors")
    double = guest("double", collectionName="taken")
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
    files = {f"vectors/{name}.yaml": guest(name) for name in ("docs", "more")}
    revision = vectors.push("Begin", files)
    vectors.ready("vectors", revision)
    before = {each["metadata"]["name"]: each for each in vectors.list("vectorcollections")}
    changed = {"vectors/docs.yaml": guest("docs", dimension=16)}
    changed["vectors/more.yaml"] = guest("more", partitions=["y2026"])
    revision = vectors.push("Change a fixed field", changed)
    ours = ".spec.dimension is fixed when the collection is created"
    vectors.says("vectors", "False", "VectorCollection", ours, revision=revision)
    after = {each["metadata"]["name"]: each for each in vectors.list("vectorcollections")}
    assert after == before
    revision = vectors.push("Correct it", {"vectors/docs.yaml": guest("docs")})
    vectors.ready("vectors", revision)
    assert vectors.get("vectorcollection", "more")["spec"]["partitions"] == ["y2026"]


def test_an_hour_of_reconciles_writes_nothing(platform: Sync) -> None:
    """Twelve reconciles of each Kustomization, an hour's at an interval of five minutes: neither
    the operator nor Flux writes to Quiver's objects, and none of them changes at all.
    """
    log = platform.plane.audit_log
    assert log is not None
    before, start = versions(platform), log.stat().st_size
    for _ in range(HOUR):
        for name in FROM_LEAF_TO_ROOT:
            assert condition(platform.reconcile(name))["status"] == "True"
    assert versions(platform) == before
    assert writes(platform.plane, start) == []


def test_collections_wait_for_an_engine_that_waits_for_gpus(short_of_gpus: Sync) -> None:
    """While an engine waits, its Kustomization is not Ready, and the one that depends on it applies
    nothing. Both get Ready by themselves once a commit lets the engine start.
    """
    team = short_of_gpus
    named = f"VectorEngine/{team.namespace}/engine status: 'InProgress'"
    team.says("engine", "False", "timeout waiting for", named)
    assert condition(team.get("vectorengine", "engine"))["reason"] == "Unschedulable"
    team.says("vectors", "False", "dependency", "is not ready")
    assert team.list("vectorcollections") == []
    files = {"engine/engine.yaml": engine(gpu={"count": 1})}
    team.ready("engine", team.push("Ask for one", files))
    team.ready("vectors")
    assert condition(team.get("vectorcollection", "docs"))["status"] == "True"
