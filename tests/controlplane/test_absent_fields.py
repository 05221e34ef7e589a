"""Collections whose YAML names neither indexFileSize nor metricType. The CRD of the release before
wrote defaults into their specs; today's leaves the fields absent.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from support import before
from support.fake_engine import FakeEngine
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.waiting import wait_until

DEFAULTS = {"indexFileSize": 1024, "metricType": "L2"}
ABSENT: dict[str, Any] = dict.fromkeys(DEFAULTS)
HOWS = ("replace", "apply", "server-side", "helm")
CHANGES = ("create", "drop", "create_partition", "drop_partition", "set_index")


class Team:
    """Brings its YAML to the cluster: one object by each of the ways that users have."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._plane, self._at = plane, f"--namespace={namespace}"
        self._chart = folder / "chart"
        (self._chart / "templates").mkdir(parents=True)

    def bring(self, version: str) -> None:
        """Bring the same YAML again. A label has changed, so that something is sent."""
        self._kubectl("create" if version == "1" else "replace", _manifest("replace", version))
        self._kubectl("apply", _manifest("apply", version))
        self._kubectl("apply", _manifest("server-side", version), "--server-side")
        self._helm(version)

    def filled_in(self) -> dict[str, Any]:
        """Return what the API server would store in a spec without the fields."""
        stored = self._kubectl("create", _manifest("tried"), "--dry-run=server", "--output=yaml")
        spec = yaml.safe_load(stored)["spec"]
        return {field: spec[field] for field in DEFAULTS if field in spec}

    def _kubectl(self, verb: str, manifest: Manifest, *options: str) -> str:
        how = ("--filename=-", *options, self._at)
        return self._plane.kubectl(verb, *how, input=yaml.safe_dump(manifest))

    def _helm(self, version: str) -> None:
        text = yaml.safe_dump(_manifest("helm", version))
        (self._chart / "templates" / "collection.yaml").write_text(text)
        about = {"apiVersion": "v2", "name": "team", "version": f"{version}.0.0"}
        (self._chart / "Chart.yaml").write_text(yaml.safe_dump(about))
        self._plane.helm("upgrade", "team", str(self._chart), "--install", self._at)


def _manifest(name: str, version: str = "") -> Manifest:
    return {
        "apiVersion": VECTOR_COLLECTION.api_version,
        "kind": VECTOR_COLLECTION.kind,
        "metadata": {"name": name, "labels": {"version": version}},
        "spec": {"engineRef": {"name": "engine"}, "dimension": 8},
    }


class Crds:
    """Those of the two releases, of which the API server has one."""

    def __init__(self, plane: ControlPlane, team: Team) -> None:
        self._plane, self._team = plane, team

    def before(self) -> None:
        self._apply(before.FOLDER, DEFAULTS)

    def today(self) -> None:
        self._apply(before.ROOT, {})

    def _apply(self, release: Path, filled_in: dict[str, Any]) -> None:
        crds = f"--filename={release / 'crds'}"
        self._plane.kubectl("apply", "--server-side", "--force-conflicts", crds)
        wait_until(lambda: self._team.filled_in() == filled_in, f"the CRDs of {release} are served")


@pytest.fixture
def team(quiver_api: ControlPlane, namespace: str, tmp_path: Path) -> Team:
    return Team(quiver_api, namespace, tmp_path)


@pytest.fixture
def crds(quiver_api: ControlPlane, team: Team) -> Iterator[Crds]:
    """Those of the release before. Those of today are back at the end."""
    crds = Crds(quiver_api, team)
    crds.before()
    yield crds
    crds.today()


async def test_the_yaml_of_before_changes_nothing_however_it_is_brought(
    fake_world: Namespace, fake: FakeEngine, team: Team, crds: Crds
) -> None:
    """Over objects that were stored with the defaults, after the upgrade and after the way back: it
    is admitted, the collections stay Ready, and the engine is asked to change nothing. What is
    replaced loses the defaults, and has them again after the way back.
    """
    world = fake_world

    async def seen(version: str) -> tuple[Any, Any]:
        """Return, of each object, since when it is Ready, and the two fields in its spec."""
        found = {m["metadata"]["name"]: m for m in await world.ready(*HOWS)}
        assert {m["metadata"]["labels"]["version"] for m in found.values()} == {version}
        since = {how: ready_condition(m)["lastTransitionTime"] for how, m in found.items()}
        return since, {how: {f: m["spec"].get(f) for f in DEFAULTS} for how, m in found.items()}

    await asyncio.to_thread(team.bring, "1")
    await asyncio.to_thread(crds.today)
    async with running(world.operator_api, world.engines):
        since, stored = await seen("1")
        assert stored == dict.fromkeys(HOWS, DEFAULTS)
        asked = {call: fake.calls[call] for call in CHANGES}
        await asyncio.to_thread(team.bring, "2")
        assert await seen("2") == (since, {**stored, "replace": ABSENT})
        await asyncio.to_thread(crds.before)
        await asyncio.to_thread(team.bring, "3")
        assert await seen("3") == (since, stored)
    assert {call: fake.calls[call] for call in CHANGES} == asked
