"""Files that are made from others, and the version that several files name."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "dev" / "tools" / "render.py"


@pytest.fixture(scope="module")
def render() -> ModuleType:
    """The tool that renders."""
    spec = importlib.util.spec_from_file_location("render", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rendered_files_are_current() -> None:
    """The chart's CRDs, install.yaml and the reference are what their sources make."""
    command = [sys.executable, TOOL, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_stale_files_are_found(render: Any, tmp_path: Path) -> None:
    """A file that is missing or has another text is stale; one with its text is not."""
    for name in ("same", "other"):
        (tmp_path / name).write_text(name)
    wanted = {tmp_path / name: "same" for name in ("same", "other", "missing")}
    assert render.stale(wanted)[:2] == [tmp_path / "other", tmp_path / "missing"]


def test_braces_survive_the_chart(render: Any) -> None:
    """Text that looks like a template is not taken for one."""
    assert '{{ "{{" }} x }}' in render.chart_crd("metadata:\n  name: a\nspec: {{ x }}\n")


def test_chart_crds_are_the_crds(chart: Any) -> None:
    """The chart brings the CRDs of crds/, with labels and nothing else of its own."""
    sources = {}
    for path in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text())
        sources[crd["metadata"]["name"]] = crd["spec"]
    brought = {
        found["metadata"]["name"]: found["spec"]
        for found in chart.render()
        if found["kind"] == "CustomResourceDefinition"
    }
    assert brought == sources


def test_one_version(chart: Any) -> None:
    """Chart, operator and images have one version."""
    metadata = yaml.safe_load((chart.path / "Chart.yaml").read_text())
    operator = importlib.import_module("quiver").__version__
    assert (metadata["version"], metadata["appVersion"]) == (operator, operator)


def test_install_needs_no_helm() -> None:
    """install.yaml has its namespace first, all else in it, and says nothing of Helm."""
    text = (ROOT / "manifests" / "install.yaml").read_text()
    first, *others = yaml.safe_load_all(text)
    assert (first["kind"], first["metadata"]["name"]) == ("Namespace", "quiver-system")
    spaces = {found["metadata"].get("namespace", "quiver-system") for found in others}
    assert spaces == {"quiver-system"}
    assert "helm.sh" not in text
    assert "managed-by:" not in text


def test_lint(chart: Any) -> None:
    """`helm lint` finds nothing to warn of."""
    assert "0 chart(s) failed" in chart.run("lint", "--strict", str(chart.path))


def test_old_clusters_are_refused(chart: Any, helm_error: type[Exception]) -> None:
    """A Kubernetes that does not know all that the CRDs use is refused at once."""
    with pytest.raises(helm_error, match=r"1\.30\.0-0"):
        chart.run("template", "quiver", str(chart.path), "--kube-version=1.29.9")


def test_the_sample_of_a_helm_release_has_values_of_the_chart(chart: Any) -> None:
    """No controller for it runs in tests; the chart takes its values, and both images are named."""
    folder = ROOT / "manifests" / "gitops" / "infrastructure" / "quiver-helm"
    release = yaml.safe_load((folder / "release.yaml").read_text())
    container = chart.container(release["spec"]["values"])
    assert "localhost/" not in yaml.safe_dump(container)
