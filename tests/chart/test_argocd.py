"""What Argo CD makes of the chart, as far as that shows without Argo CD."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXCLUDED = {
    *("Endpoints", "EndpointSlice", "Lease", "CertificateSigningRequest", "CertificateRequest"),
    *("SelfSubjectReview", "TokenReview", "SubjectAccessReview"),
    *("LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview"),
}
"""What `resource.exclusions` of Argo CD 3 has by default: it neither applies nor shows these."""
APPLICATIONS = ROOT / "manifests" / "argocd" / "applications.yaml"


def sources() -> list[Any]:
    return [app["spec"]["source"] for app in yaml.safe_load_all(APPLICATIONS.read_text())]


def test_the_chart_has_nothing_that_argo_cd_leaves_out(chart: Any) -> None:
    """An operator that needs such an object makes it itself."""
    made = [*chart.render(), *chart.hooks()]
    assert {found["kind"] for found in made} & EXCLUDED == set()


def test_the_operators_application_has_images_of_ones_own(chart: Any) -> None:
    """Its values are the chart's: both images come from the registry that they name."""
    (source,) = [source for source in sources() if "helm" in source]
    assert ROOT / source["path"] == chart.path
    made = chart.render(source["helm"]["valuesObject"], source["helm"]["releaseName"])
    (deployment,) = [found for found in made if found["kind"] == "Deployment"]
    assert "localhost/" not in yaml.safe_dump(deployment)


def test_the_teams_application_is_of_a_folder_for_kustomize() -> None:
    """It is one of those that other tests build, and the API server takes."""
    (source,) = [source for source in sources() if "helm" not in source]
    assert (ROOT / source["path"] / "kustomization.yaml").exists()
