"""Fixtures that give tests a Kubernetes: `control_plane`, `cluster`, `namespace`, `binaries`.

`built_images` gives its nodes the images as images/Containerfile has them built.

Programs that the collected tests need are built before the first of them starts, so that a
first run, which takes minutes, breaks no test's time limit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild.buildah import can_bring
from imagebuild.building import built_archives
from localcluster import Binaries, Cluster, ControlPlane, preflight
from machine.progress import Say

HELM = "helm"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the collected tests need."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    if "binaries" in asked:
        Binaries.ensure(_teller(session.config))
    elif "cluster" in asked and not preflight.node_problems():
        Binaries.ensure(_teller(session.config), [*Cluster.programs, HELM])
    elif "control_plane" in asked:
        Binaries.ensure(_teller(session.config), [*ControlPlane.programs, HELM])
    if "built_images" in asked and not can_bring():
        built_archives(_teller(session.config))


def _teller(config: pytest.Config) -> Say:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.write_line if reporter else print


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """Every program of a cluster, built where it is missing."""
    return Binaries.ensure(print)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane without a node, with an audit log, shared by this worker's tests."""
    directory = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(directory, audit=True, progress=print) as running:
        yield running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with its nodes; skipped, with the reason, where preflight says no.

    Its tests carry `@pytest.mark.xdist_group("node")`, so that one worker runs them all.
    """
    problems = preflight.node_problems()
    if problems:
        pytest.skip("no node here: " + "; ".join(f"{what} ({cure})" for what, cure in problems))
    directory = tmp_path_factory.mktemp("cluster")
    with Cluster(directory, audit=True, progress=print) as running:
        yield running


@pytest.fixture(scope="session")
def built_images() -> Iterator[Path]:
    """The folder of the images as a builder builds them: clusters and demos take them from there.

    Skipped, with the reason, where Debian's buildah cannot run. Its tests carry
    `@pytest.mark.xdist_group("node")`.
    """
    if reason := can_bring():
        pytest.skip(f"no images can be built here: {reason}")
    folder = built_archives(print)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUIVER_IMAGES", str(folder))
        yield folder


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace, deleted afterwards without waiting.

    It is one of `cluster` for a test that asks for that, else one of `control_plane`.
    """
    where = "cluster" if "cluster" in request.fixturenames else "control_plane"
    plane: ControlPlane = request.getfixturevalue(where)
    name = f"test-{uuid.uuid4().hex[:8]}"
    plane.create_namespace(name)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
