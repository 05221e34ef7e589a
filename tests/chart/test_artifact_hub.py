"""What Artifact Hub shows of the chart is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="module")
def annotations(chart: Any) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((chart.path / "Chart.yaml").read_text())["annotations"]
    return {key.removeprefix("artifacthub.io/"): value for key, value in found.items()}


def test_the_listed_crds_are_the_crds(annotations: dict[str, str]) -> None:
    """Name, kind and version of each."""
    crds = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
    listed = [(c["name"], c["kind"], c["version"]) for c in yaml.safe_load(annotations["crds"])]
    assert listed == [
        (crd["metadata"]["name"], crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"])
        for crd in crds
    ]


def test_the_chart_is_no_prerelease_once_the_api_is_beta(annotations: dict[str, str]) -> None:
    """An alpha API is shown as one."""
    versions = {crd["version"] for crd in yaml.safe_load(annotations["crds"])}
    assert (annotations["prerelease"] == "true") == any("alpha" in v for v in versions)
