"""What is published beside the CRDs is accepted by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from localcluster import ControlPlane
from support.health import CUSTOMIZATIONS

CHART = Path(__file__).parents[2] / "charts" / "quiver" / "Chart.yaml"
REFUSED = {"VectorEngine": {"image": "localhost/milvus:1.1.1"}}
"""What the test data of InvalidSpec lacks, since the CRDs would refuse it."""
TEST_DATA = sorted(CUSTOMIZATIONS.rglob("testdata/*.yaml"))


def test_test_data_of_argo_cd_is_what_the_crds_take(
    control_plane: ControlPlane, client: Any, shared_namespace: str
) -> None:
    """Each object with its status, after strict validation."""
    wanted = {}
    for path in TEST_DATA:
        manifest = yaml.safe_load(path.read_text())
        name = path.stem.replace("_", "-").lower()
        manifest["metadata"] = {"name": name, "namespace": shared_namespace}
        if path.stem == "degraded_InvalidSpec":
            manifest["spec"].update(REFUSED.get(manifest["kind"], {}))
        wanted[manifest["kind"], name] = manifest
    text = yaml.safe_dump_all(wanted.values())
    strict = ("--server-side", "--validate=strict", "--filename=-")
    control_plane.kubectl("apply", *strict, input=text)
    control_plane.kubectl("apply", *strict, "--subresource=status", input=text)
    at = (f"--namespace={shared_namespace}", "--output=yaml")
    found = yaml.safe_load(control_plane.kubectl("get", "vcol,veng", *at))["items"]
    stored = {(each["kind"], each["metadata"]["name"]): each["status"] for each in found}
    assert {key: stored[key] for key in wanted} == {k: m["status"] for k, m in wanted.items()}


def test_examples_of_the_chart_are_what_the_crds_take(
    control_plane: ControlPlane, client: Any, shared_namespace: str
) -> None:
    """Artifact Hub shows them to be copied."""
    annotations = yaml.safe_load(CHART.read_text())["annotations"]
    examples = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    how = ("--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
    at = f"--namespace={shared_namespace}"
    control_plane.kubectl("apply", *how, at, input=yaml.safe_dump_all(examples))
