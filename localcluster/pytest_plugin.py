"""Fixtures that give tests a Kubernetes: `control_plane`, `cluster`, `namespace`, `binaries`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from localcluster import Binaries, Cluster, ControlPlane, preflight


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """Every program of a cluster, built where it is missing."""
    return Binaries.ensure(print)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane without a node, with an audit log, shared by this worker's tests."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), audit=True) as running:
        yield running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with its nodes; skipped, with the reason, where preflight says no.

    Its tests carry `@pytest.mark.xdist_group("node")`, so that one worker runs them all.
    """
    problems = preflight.node_problems()
    if problems:
        pytest.skip("no node here: " + "; ".join(f"{what} ({cure})" for what, cure in problems))
    with Cluster(tmp_path_factory.mktemp("cluster"), audit=True) as running:
        yield running


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
