"""What the chart's page tells to type does what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagebuild.images import IMAGES as BUILT
from quiver import __version__

ROOT = Path(__file__).parents[2]
IMAGES = [f"registry.example.org/quiver-{name}:{__version__}" for name in ("operator", "engine")]


@pytest.fixture(scope="module")
def page(chart: Any) -> str:
    """The chart's README."""
    return str((chart.path / "README.md").read_text())


def images_of(objects: list[Any]) -> list[str]:
    """The image of the operator, and the one that it gives to engines."""
    [deployment] = [found for found in objects if found["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    option = "--engine-image="
    given = [found for found in container["args"] if found.startswith(option)]
    return [container["image"], *(found.removeprefix(option) for found in given)]


def test_images_are_pushed(page: str) -> None:
    """The command of the page pushes to the registry that the others name."""
    assert "IMAGE_REGISTRY=registry.example.org PUSH=1 make images" in page
    assert [image.named("registry.example.org") for image in BUILT.values()] == IMAGES


def test_images_of_a_registry_of_ones_own(chart: Any, page: str) -> None:
    """The command of Helm on the page takes both images from the registry that they were pushed
    to.
    """
    [command] = re.findall(r"^helm install (?:.*\\\n)*.*", page, re.MULTILINE)
    words = shlex.split(command.replace("\\\n", ""))
    options = [f"--set={given}" for option, given in pairwise(words) if option == "--set"]
    output = chart.run("template", "quiver", str(chart.path), *options)
    assert images_of([found for found in yaml.safe_load_all(output) if found]) == IMAGES


def test_images_without_helm(page: str) -> None:
    """The command of the page names both images in install.yaml anew, and changes nothing else."""
    [sed] = re.findall(r"^(sed .*?) \|", page, re.MULTILINE)
    before = (ROOT / "manifests" / "install.yaml").read_text()
    done = subprocess.run(shlex.split(sed), cwd=ROOT, capture_output=True, text=True, check=True)
    assert images_of(list(yaml.safe_load_all(done.stdout))) == IMAGES
    assert done.stdout.replace("registry.example.org/", "localhost/") == before


def test_two_operators_are_spread_and_run_on_one_node_too(chart: Any, page: str) -> None:
    """The example's constraint counts the pods of the release, prefers and does not demand, and is
    the one in values.yaml.
    """
    [example] = re.findall(r"^```yaml\n(replicaCount: 2\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    values = yaml.safe_load(example)
    pod = chart.pod(values)
    [constraint] = pod["spec"]["topologySpreadConstraints"]
    selected = constraint["labelSelector"]["matchLabels"]
    assert selected == chart.one("Deployment", values)["spec"]["selector"]["matchLabels"]
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    commented = re.findall(r"^# (- maxSkew:.*\n(?:#   .*\n)*)", defaults(chart), re.MULTILINE)
    assert [yaml.safe_load(text.replace("\n# ", "\n")) for text in commented] == [[constraint]]


def defaults(chart: Any) -> str:
    """The text of values.yaml."""
    return str((chart.path / "values.yaml").read_text())


def test_nothing_says_that_a_registry_has_the_images(chart: Any, page: str) -> None:
    """Page, values and install.yaml say the same: none has them."""
    installed = (ROOT / "manifests" / "install.yaml").read_text().partition("\n---")[0]
    for text in (page, defaults(chart), installed):
        assert "No registry has" in text
        assert "published" not in text
