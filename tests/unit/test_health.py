"""Argo CD's health checks, tested as Argo CD itself does: by `health_test.yaml` beside each script.
The objects in `testdata` are as the operator wrote them in tests.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from quiver.domain.kubernetes_types import Manifest
from support.health import AGREEING, CUSTOMIZATIONS, KINDS, Health, kstatus, run_script, script

PAGE = Path(__file__).parents[2] / "docs" / "conditions.md"
CARRIERS = ("Suspended", "Reconciling", "Stalled", "Ready")
"""Types of conditions; the first that an object has decides on its health."""
DOCUMENTED = {
    "Healthy": {"Ready=True"},
    "Degraded": {"Stalled"},
    "Progressing": {"Reconciling", "Ready=Unknown"},
    "Suspended": {"Suspended"},
}
"""By health, what the column `condition` of the documentation calls it."""


class Case(NamedTuple):
    kind: str
    path: Path
    expected: Health

    @property
    def manifest(self) -> Manifest:
        found: Manifest = yaml.safe_load(self.path.read_text())
        return found

    @property
    def conditions(self) -> dict[str, Any]:
        return {c["type"]: c for c in self.manifest["status"]["conditions"]}


def _cases() -> Iterator[Case]:
    for kind in KINDS:
        folder = CUSTOMIZATIONS / kind
        for test in yaml.safe_load((folder / "health_test.yaml").read_text())["tests"]:
            yield Case(kind, folder / test["inputPath"], Health(**test["healthStatus"]))


CASES = list(_cases())
each_case = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.kind}-{c.path.stem}")


def _documented(kind: str) -> dict[str, str]:
    """Return the column `condition` by reason."""
    section = PAGE.read_text().split(f"\n## {kind}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE))


@each_case
def test_an_object_has_the_health_that_is_listed(case: Case) -> None:
    """Argo CD's own test does the same with these files."""
    assert run_script(script(case.kind), case.manifest) == case.expected


@each_case
def test_health_is_what_flux_and_helm_make_of_the_object(case: Case) -> None:
    """Healthy is Current, Degraded is Failed, Progressing is InProgress."""
    manifest = case.manifest
    manifest["metadata"].pop("deletionTimestamp", None)
    assert kstatus(manifest) in AGREEING[case.expected.status]


@each_case
def test_health_is_as_the_documentation_says(case: Case) -> None:
    """What is documented as Stalled is Degraded, what is Reconciling is Progressing."""
    manifest = case.manifest
    if manifest["status"].get("observedGeneration", 1) != manifest["metadata"]["generation"]:
        assert case.expected.status == "Progressing"
        return
    deciding = next(case.conditions[type_] for type_ in CARRIERS if type_ in case.conditions)
    words = set(re.findall(r"[\w=]+", _documented(case.kind)[deciding["reason"]]))
    assert words & DOCUMENTED[case.expected.status]


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_has_an_object(kind: str) -> None:
    """Each reason that the documentation has for a kind is in the test data."""
    told = {c["reason"] for case in CASES if case.kind == kind for c in case.conditions.values()}
    assert told == set(_documented(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_is_listed(kind: str) -> None:
    """No file of the test data is passed over."""
    listed = [case.path for case in CASES if case.kind == kind]
    assert sorted(listed) == sorted((CUSTOMIZATIONS / kind / "testdata").iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [None, {}, {"conditions": []}, {"conditions": [{"type": "X"}]}])
def test_an_object_without_a_status_is_progressing(kind: str, status: Manifest | None) -> None:
    """Argo CD may look before the API server has given it one."""
    manifest = {"kind": kind, "metadata": {"generation": 1}, "status": status}
    assert run_script(script(kind), manifest).status == "Progressing"


def test_lost_vectors_are_told_beside_health() -> None:
    """The collection is there, though empty: it holds nothing up, and whoever looks reads of it."""
    (case,) = [case for case in CASES if case.path.stem == "healthy_Available_Recreated"]
    assert case.expected.status == "Healthy"
    assert case.expected.message.startswith("DataLost: ")
