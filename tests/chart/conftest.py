"""The chart as Helm renders it, without a cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import Binaries

ROOT = Path(__file__).parents[2]
# The CRDs are long; libyaml reads them ten times as fast.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class HelmError(Exception):
    """Helm refused; the message is what it says."""


class Chart:
    """The chart quiver, rendered with values of one's own."""

    path = ROOT / "charts" / "quiver"

    def __init__(self, helm: Path) -> None:
        self._helm = helm
        self._rendered: dict[str, list[Any]] = {}

    def run(self, *arguments: str, values: Any = None) -> str:
        """What helm prints. Raises HelmError when it refuses."""
        done = subprocess.run(
            [self._helm, *arguments, "--values=-"],
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout

    def render(self, values: Any = None, name: str = "quiver") -> list[Any]:
        """The objects of a release in namespace `team`, without those of hooks."""
        return [found for found in self._all(values, name) if not _is_of_a_hook(found)]

    def hooks(self, values: Any = None, name: str = "quiver") -> list[Any]:
        """The objects that Helm makes while it tests or uninstalls a release."""
        return [found for found in self._all(values, name) if _is_of_a_hook(found)]

    def _all(self, values: Any, name: str) -> list[Any]:
        key = json.dumps([name, values])
        if key not in self._rendered:
            where = ("--namespace=team", "--kube-version=1.30.0")
            output = self.run("template", name, str(self.path), *where, values=values)
            self._rendered[key] = [found for found in yaml.load_all(output, LOADER) if found]
        return self._rendered[key]

    def one(self, kind: str, values: Any = None, suffix: str = "", name: str = "quiver") -> Any:
        """The only object of a kind, or the one of several whose name ends with `suffix`."""
        [found] = [
            rendered
            for rendered in self.render(values, name)
            if rendered["kind"] == kind and rendered["metadata"]["name"].endswith(suffix)
        ]
        return found

    def pod(self, values: Any = None) -> Any:
        """The operator's pod."""
        return self.one("Deployment", values)["spec"]["template"]

    def container(self, values: Any = None) -> Any:
        """The operator's container."""
        [container] = self.pod(values)["spec"]["containers"]
        return container

    def defaults(self) -> Any:
        """The values of values.yaml."""
        return yaml.safe_load((self.path / "values.yaml").read_text())

    def schema(self) -> Any:
        """The schema of the values."""
        return json.loads((self.path / "values.schema.json").read_text())


def _is_of_a_hook(manifest: Any) -> bool:
    return "helm.sh/hook" in manifest["metadata"].get("annotations", {})


WHOLE = {
    *("podSecurityContext", "securityContext", "resources"),
    *("strategy", "livenessProbe", "readinessProbe"),
}


def paths_below(values: Any, prefix: str = "") -> Iterator[str]:
    """The dotted paths of all knobs; what Kubernetes defines is one knob, whatever is in it."""
    for key, value in values.items():
        if isinstance(value, dict) and value and key not in WHOLE:
            yield from paths_below(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart quiver."""
    return Chart(Binaries.ensure(print, ["helm"]).path("helm"))


@pytest.fixture(scope="session")
def knobs(chart: Chart) -> set[str]:
    """The dotted paths of all values that may be set."""
    return {*paths_below(chart.defaults())}


@pytest.fixture(scope="session")
def helm_error() -> type[Exception]:
    """What `chart` raises when Helm refuses."""
    return HelmError
