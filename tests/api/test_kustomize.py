"""The samples for Kustomize, built by the one in kubectl, and what the API server makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane
from quiver import __version__
from tools.render import INSTALL

GITOPS = Path(__file__).parents[2] / "manifests" / "gitops"
SEARCH = GITOPS / "teams" / "search"
BUILT = sorted(
    path.parent for path in GITOPS.rglob("kustomization.yaml") if "kind: Kust" in path.read_text()
)
GPU_IMAGE = f"registry.example.org/quiver-engine-gpu:{__version__}-cuda12"


def build(plane: ControlPlane, folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(plane.kubectl("kustomize", str(folder))))


def engine_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    [engine] = [each for each in objects if each["kind"] == "VectorEngine"]
    return engine


@pytest.mark.parametrize("folder", BUILT, ids=lambda path: str(path.relative_to(GITOPS)))
def test_each_folder_builds(control_plane: ControlPlane, folder: Path) -> None:
    """Kustomize builds every folder that has a Kustomization, without options."""
    assert build(control_plane, folder)


@pytest.fixture
def overlay(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Iterator[Any]:
    """The objects of an overlay, and their namespace on the API server."""
    objects = build(control_plane, SEARCH / request.param)
    [namespace] = [each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"]
    control_plane.create_namespace(namespace)
    yield [each for each in objects if each["kind"] != "Namespace"]
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("overlay", ["staging", "production"], indirect=True)
def test_the_api_server_takes_an_overlay(
    control_plane: ControlPlane, client: Any, overlay: list[dict[str, Any]]
) -> None:
    """With strict validation, which refuses fields that nobody knows."""
    how = ("--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
    control_plane.kubectl("apply", *how, input=yaml.safe_dump_all(overlay))


def test_a_prefix_reaches_the_engine_that_collections_name(control_plane: ControlPlane) -> None:
    """Kustomize knows engineRef.name by the component quiver-names."""
    objects = build(control_plane, SEARCH / "staging")
    named = {
        each["spec"]["engineRef"]["name"] for each in objects if "engineRef" in each.get("spec", {})
    }
    assert named == {engine_of(objects)["metadata"]["name"]} == {"staging-main"}


def test_the_gpu_component_is_for_clusters_that_name_it(control_plane: ControlPlane) -> None:
    """It gives engines a GPU and their image; an overlay sets replicas and tag beside it."""
    staging = engine_of(build(control_plane, SEARCH / "staging"))["spec"]
    production = engine_of(build(control_plane, SEARCH / "production"))["spec"]
    assert "gpu" not in staging
    assert production["gpu"] == {"count": 1, "minMemory": "16Gi"}
    assert (production["replicas"], production["image"]) == (2, GPU_IMAGE)


def test_the_operator_comes_from_a_registry_of_ones_own(control_plane: ControlPlane) -> None:
    """Both images, that of the engines too, and all else is as install.yaml says."""
    built = build(control_plane, GITOPS / "infrastructure" / "quiver")
    installed = list(yaml.safe_load_all(INSTALL.read_text()))
    assert len(built) == len(installed)
    [deployment] = [each for each in built if each["kind"] == "Deployment"]
    assert "localhost/" not in yaml.safe_dump(deployment)


def test_flux_applies_folders_that_exist() -> None:
    """Each path of a cluster is a folder, and teams wait for the operator."""
    for cluster in sorted((GITOPS / "clusters").iterdir()):
        found = {path.stem: yaml.safe_load(path.read_text())["spec"] for path in cluster.iterdir()}
        assert all(
            (GITOPS / spec["path"] / "kustomization.yaml").exists() for spec in found.values()
        )
        assert found["teams"]["dependsOn"] == [{"name": "infrastructure"}]
        assert all(spec["wait"] for spec in found.values())
