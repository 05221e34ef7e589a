"""kustomize-controller among all who apply the same YAML."""

from pathlib import Path

import pytest

from support.appliers import COLLECTIONS, Appliers, shape
from support.audit import writes
from support.gitops import Sync, condition
from support.manifests import Object, engine

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("node"), pytest.mark.timeout(600)]

ROUNDS, BY_KUBECTL = 10, 8
"""A hundred applies in all, one in ten by Helm and one in ten by Flux."""
SECRETS = ("--clusterrole=quiver-system:quiver-secrets", "--serviceaccount=quiver-system:quiver")


def test_flux_and_others_apply_the_same_in_turn(team: Sync, tmp_path: Path) -> None:
    """A hundred times, by client-side apply, server-side apply, Helm and kustomize-controller: the
    operator writes nothing, no object gets a new generation, no field changes hands, and nothing
    differs from the YAML.
    """
    wanted = [engine(), *COLLECTIONS]
    team.kubectl("create", "rolebinding", "secrets", *SECRETS)
    team.push("Begin", {f"same/{m['metadata']['name']}.yaml": m for m in wanted})
    team.kustomize("same", "./same", serviceAccountName="flux")
    team.ready("same")
    appliers = Appliers(team.plane, team.namespace, tmp_path, wanted)

    def take_turns() -> None:
        appliers.all(BY_KUBECTL)
        assert condition(team.reconcile("same"))["status"] == "True"

    def live() -> list[Object]:
        return [team.get(m["kind"], m["metadata"]["name"]) for m in wanted]

    take_turns()
    before, written = live(), writes(team.plane, team.namespace)
    for _ in range(ROUNDS):
        take_turns()
    after = live()
    assert writes(team.plane, team.namespace) == written
    assert [shape(m) for m in after] == [shape(m) for m in before]
    for manifest, applied in zip(after, wanted, strict=True):
        assert {key: manifest["spec"][key] for key in applied["spec"]} == applied["spec"]
    assert appliers.diff() == ""
